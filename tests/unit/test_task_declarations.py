"""A task that is declared wrongly is no task: it would look for the wrong thing, or for nothing."""

import pytest

from blocks.jiwa import JiwaCredentials
from blocks.sensorpro import SensorproCredentials
from hookline.clients.jiwa import JiwaClient
from hookline.clients.sensorpro import SensorproClient
from tasks.operations import VendorTasks
from tasks.readback import gone

JIWA = VendorTasks(JiwaCredentials, __name__)
SENSORPRO = VendorTasks(SensorproCredentials, __name__)
READBACK = gone(JiwaClient.get_sales_order)


@pytest.mark.parametrize(
    ("declare", "complaint"),
    [
        (lambda: JIWA.call(JiwaClient.delete_sales_order), "not of the kind 'safe', but 'readback'"),
        (
            lambda: JIWA.write_task(JiwaClient.get_sales_order, readback=READBACK),
            "not of the kind 'readback', but 'safe'",
        ),
        (
            lambda: JIWA.blind_write_task(JiwaClient.delete_sales_order),
            "not of the kind 'never', but 'readback'",
        ),
        (lambda: JIWA.write_task(JiwaClient.delete_sales_order), "needs a read-back"),
        (
            lambda: JIWA.write_task(JiwaClient.delete_sales_order, readback=READBACK, of="InvoiceId"),
            "not take InvoiceId",
        ),
        (
            lambda: JIWA.write_task(JiwaClient.delete_sales_order, readback=READBACK, identity=("Invoice",)),
            "not take Invoice",
        ),
        (
            lambda: JIWA.write_task(JiwaClient.delete_sales_order, readback=READBACK, found_by=("Number",)),
            "not take Number",
        ),
        (lambda: SENSORPRO.blind_write_task(SensorproClient.send_email, of="subject"), "not take subject"),
        (
            lambda: SENSORPRO.blind_write_task(SensorproClient.send_email, identity=("Subject", "Body")),
            "not take Body",
        ),
    ],
)
def test_a_task_that_is_declared_wrongly_is_refused(declare, complaint):
    with pytest.raises(TypeError, match=complaint):
        declare()
