"""What the processes write for machines and for people names the delivery that it is about."""

import json
import logging
from uuid import UUID

import pytest

from hookline import log
from hookline.context import working_on

DELIVERY = UUID("3f9c2a00-0000-4000-8000-000000000001")
DISPATCH = UUID("7a1b0000-0000-4000-8000-000000000002")


@pytest.fixture(autouse=True)
def logging_as_it_was():
    root, transport = logging.getLogger(), logging.getLogger("hookline.clients.transport")
    handlers, level, of_calls = root.handlers[:], root.level, transport.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    transport.setLevel(of_calls)


async def permit():
    """Nothing stands in the way of an effect here."""


@pytest.mark.parametrize(
    "name", ["hookline.engine.engine", "prefect.flow_runs", "hookline.clients.transport"]
)
def test_each_line_of_an_engine_a_flow_and_a_vendor_call_has_the_delivery(capsys, name):
    log.configure("json")
    level = logging.DEBUG if name.endswith("transport") else logging.INFO

    with working_on(DELIVERY, DISPATCH, permit):
        logging.getLogger(name).log(level, "at %s", "work")

    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert ("at work", str(DELIVERY), str(DISPATCH)) == (line["message"], line["delivery"], line["dispatch"])


def test_a_line_for_people_ends_with_the_beginning_of_the_delivery(capsys):
    log.configure("text")

    logging.getLogger("hookline.gateway").info("taken", extra={"delivery": str(DELIVERY)})

    assert "INFO taken  [3f9c2a00]" == capsys.readouterr().err.strip()


def test_an_error_keeps_its_traceback(capsys):
    log.configure("json")
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logging.getLogger("hookline").exception("broken")

    assert "ZeroDivisionError" in json.loads(capsys.readouterr().err.splitlines()[-1])["exception"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_line_cannot_be_forged_by_what_it_tells_of(capsys, log_format):
    log.configure(log_format)

    logging.getLogger("hookline").info("order %s", "1\nWARNING all is well\x1b[2J\u2028INFO yes")

    told = capsys.readouterr().err
    assert 1 == len(told.strip().splitlines())
    assert "\x1b" not in told


def test_a_traceback_stands_under_its_line_and_forges_none(capsys):
    log.configure("text")
    try:
        _ = {}["\nINFO all is well\x1b[2J"]
    except KeyError:
        logging.getLogger("hookline").exception("order %s", 1)

    first, *below = capsys.readouterr().err.splitlines()
    assert "ERROR order 1" == first
    assert {True} == {line.startswith("  ") for line in below}
    assert "KeyError" in below[-1]
