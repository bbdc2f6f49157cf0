"""Operations as values: what is declared, which request is built, what no input can do."""

import csv
import json
import re
import sys
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from hookline.clients import CLIENTS, InvalidInput, VendorError, operations
from hookline.clients.jiwa import JiwaClient
from hookline.clients.operation import is_one_segment
from hookline.clients.sensorpro import SensorproClient
from hookline.clients.sensorpro.models import Mailbox, NewContact
from hookline.clients.zentitle import ZentitleClient
from hookline.errors import HooklineError

ROOT = "https://vendor.example/base"
TABLE = Path(__file__).parents[2] / "samples" / "operations.csv"
ROWS = {
    (row["vendor"], row["operation"]): row
    for row in csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines())
}
OPERATIONS = {
    f"{vendor}.{name}": operation
    for vendor, client in CLIENTS.items()
    for name, operation in operations(client).items()
}
WITH_PLACEHOLDERS = {
    name: operation
    for name, operation in OPERATIONS.items()
    if set(operation.placeholders) & set(operation.input.model_fields)
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_operation_agrees_with_the_table(operation):
    row = ROWS[operation.vendor, operation.name]

    declared = (operation.verb, operation.path, operation.repeat, operation.trust)

    assert (row["verb"], row["path"], row["repeat"], row["trust"]) == declared


def test_nothing_is_declared_that_the_table_does_not_hold():
    """Rows that no client declares yet are allowed for now; their number is told."""
    missing = [key for key in ROWS if ".".join(key) not in OPERATIONS]
    sys.stdout.write(f"{len(missing)} of {len(ROWS)} operations are not declared yet\n")

    assert len(ROWS) == len(missing) + len(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_operation_has_its_effect_and_its_source(operation):
    effect, _, source = operation.__doc__.partition("\n\n")

    assert re.fullmatch(r"[A-Z].*\.", effect)
    assert re.fullmatch(
        rf"Source: .+, {operation.verb} {re.escape(operation.path)} \[(seed|public)\]\.( Assumed: .+\.)?",
        source,
    )


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_model_of_inputs_says_what_it_is(operation):
    assert operation.input.__doc__


def _inputs_for(operation, values):
    """Inputs for an operation: the given ones for the path, others left out."""
    secret = [name for name, field in operation.input.model_fields.items() if field.annotation is SecretStr]
    known = {name: value for name, value in values.items() if name in operation.input.model_fields}
    known |= {name: SecretStr(known[name]) for name in secret if name in known}
    return operation.input.model_construct(**known)


@pytest.mark.parametrize("operation", WITH_PLACEHOLDERS.values(), ids=WITH_PLACEHOLDERS)
@given(value=st.text())
@example(value="..")
@example(value="../a/b?c#d")
@example(value="%2e%2e")
@example(value="a%2fb")
@example(value="a\\b")
@example(value="{Token}")
def test_no_value_in_a_path_can_change_which_operation_is_called(operation, value):
    inputs = _inputs_for(operation, dict.fromkeys(operation.placeholders, value))
    shape = re.sub(r"\\{\w+\\}", "[^/?#]+", re.escape("/base" + operation.path))

    if is_one_segment(value):
        request = operation.build(ROOT, inputs)
        assert re.fullmatch(shape, request.url.raw_path.decode().partition("?")[0])
    else:
        with pytest.raises(InvalidInput, match="|".join(operation.placeholders)):
            operation.build(ROOT, inputs)


@pytest.mark.parametrize(
    "value", ["", ".", "..", "...", " ", "a/b", "a\\b", "a\nb", "%2e%2e", "%252e", "a%2Fb"]
)
def test_a_value_that_would_change_the_route_is_refused_by_its_name(value):
    with pytest.raises(InvalidInput, match=r"get_sales_order .*InvoiceID"):
        JiwaClient.get_sales_order.request(ROOT, InvoiceID=value)


def test_a_value_in_a_path_is_quoted_as_one_segment():
    request = JiwaClient.get_sales_order.request(ROOT, InvoiceID="a b?c#d;e+ü")

    assert b"/base/SalesOrders/a%20b%3Fc%23d%3Be%2B%C3%BC" == request.url.raw_path


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({}, "InvoiceID"),
        ({"InvoiceId": "1"}, "InvoiceId"),
        ({"InvoiceID": 1}, "InvoiceID"),
        ({"InvoiceID": "1", "Fields": "x"}, "Fields"),
        ({"InvoiceID": None}, "InvoiceID"),
    ],
)
def test_a_missing_misspelt_or_unfit_input_is_named_before_anything_is_sent(inputs, named):
    with pytest.raises(InvalidInput, match=rf"jiwa get_sales_order was not sent: .*{named}"):
        JiwaClient.get_sales_order.request(ROOT, **inputs)


def test_inputs_go_by_name():
    with pytest.raises(InvalidInput, match="by name"):
        JiwaClient.get_sales_order.request(ROOT, "1")


def test_an_invalid_input_is_a_type_error_a_value_error_and_ours():
    assert issubclass(InvalidInput, TypeError)
    assert issubclass(InvalidInput, ValueError)
    assert issubclass(InvalidInput, HooklineError)
    assert not issubclass(InvalidInput, VendorError)


def test_an_invalid_secret_is_not_in_the_error():
    with pytest.raises(InvalidInput) as failure:
        JiwaClient.login.request(ROOT, UserName="api", Password=["hunter22"])

    assert "hunter22" not in str(failure.value)


def test_what_is_not_in_the_path_of_a_get_is_in_the_query():
    request = JiwaClient.query_sales_orders.request(ROOT, OrderNo="PO 7&7", Take=5)

    assert {"OrderNo": ["PO 7&7"], "Take": ["5"]} == parse_qs(request.url.query.decode())
    assert b"" == request.content


def test_what_is_not_in_the_path_of_a_post_is_in_the_body():
    request = JiwaClient.create_sales_order_note.request(ROOT, InvoiceID="1", NoteText="x")

    assert {"NoteText": "x"} == json.loads(request.content)
    assert b"" == request.url.query


def test_zentitle_takes_a_body_with_every_verb():
    request = ZentitleClient.get_license_code.request(ROOT, licensecode="1", getnotes=1)

    assert ("GET", {"licensecode": "1", "getnotes": 1}) == (request.method, json.loads(request.content))
    assert b"" == request.url.query


def test_a_get_without_inputs_has_no_body():
    assert b"" == ZentitleClient.list_products.request(ROOT).content


def test_a_post_without_inputs_has_an_empty_object_for_a_body():
    assert b"{}" == SensorproClient.log_off.request(ROOT).content


def test_true_and_false_are_sent_to_zentitle_as_text():
    request = ZentitleClient.list_license_codes.request(ROOT, used=False, activated=True)

    sent = json.loads(request.content)

    assert ("false", "true") == (sent["used"], sent["activated"])


def test_amounts_are_sent_as_numbers():
    request = JiwaClient.create_sales_order_payment.request(
        ROOT, InvoiceID="1", InvoiceHistoryID="2", AmountPaid="40.70", PaymentRef="x"
    )

    assert b'"AmountPaid":40.7,' in request.content


@pytest.mark.parametrize(
    "inputs",
    [
        {"clientleaseperiod": 8761},
        {"clientofflineleaseperiod": 501},
        {"heartbeat": 4},
        {"subscriptionperiod": 30},
        {"licensetype": "forever"},
    ],
)
def test_the_vendors_limits_are_kept(inputs):
    with pytest.raises(InvalidInput, match="update_license_code"):
        ZentitleClient.update_license_code.request(ROOT, productid="1", licensecode="2", **inputs)


@pytest.mark.parametrize("inputs", [{}, {"numcodes": 1, "licensecodes": "1"}, {"numcodes": 0}])
def test_codes_are_either_generated_or_imported(inputs):
    with pytest.raises(InvalidInput, match="create_license_codes"):
        ZentitleClient.create_license_codes.request(ROOT, productid="1", **inputs)


@pytest.mark.parametrize("text", ["a\nBcc: x@example.com", "a\r\nb"])
def test_no_mail_header_can_be_smuggled_in(text):
    with pytest.raises(InvalidInput, match="Subject"):
        SensorproClient.send_email.request(
            ROOT, From=Mailbox(Email="a@example.com"), To=[Mailbox(Email="b@example.com")], Subject=text
        )


def test_a_repeatable_upsert_sends_no_welcome_mail():
    request = SensorproClient.upsert_contacts.request(
        ROOT, Contact=[NewContact(PersonalEMail="a@example.com")]
    )

    assert json.loads(request.content)["SendWelcomeEmail"] is False
