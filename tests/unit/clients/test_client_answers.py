"""What is read from answers, good, bad and hostile."""

import json
from datetime import datetime
from decimal import Decimal

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vendor_answers import answer, body_of

from hookline.clients import (
    CLIENTS,
    Conflict,
    NotAuthenticated,
    NotFound,
    Refused,
    Unavailable,
    UnexpectedAnswer,
    VendorError,
    operations,
)
from hookline.clients.jiwa import JiwaClient
from hookline.clients.sensorpro import SensorproClient
from hookline.clients.sensorpro.client import is_trusted_endpoint
from hookline.clients.zentitle import ZentitleClient

OPERATIONS = {
    f"{vendor}.{name}": operation
    for vendor, client in CLIENTS.items()
    for name, operation in operations(client).items()
}
ODD = [
    (200, b"\xef\xbb\xbf{}"),
    (200, b"[" * 5000),
    (200, b'{"InvoiceID": ' + b"9" * 5000 + b"}"),
    (500, b'{"ResponseStatus": {"ErrorCode": 5, "Errors": 5, "Message": {}}}'),
    (200, b'{"Result": {"TotalErrors": 1e300, "ErrorMessages": 7}}'),
    (200, json.dumps([{"deviceId": 9**999, "supplies": [{"levelPercent": 1e300}]}]).encode()),
    (202, b"[]"),
    (202, b'"accepted"'),
    (200, b'{"result": [{"id": "1", "product_lines": [{"id": 1, "price": 1e300}]}]}'),
    (400, b'{"errors": [{"field": {}, "message": []}], "error": ["invalid_client"]}'),
]
STATUSES = st.sampled_from([200, 201, 202, 204, 301, 303, 400, 401, 403, 404, 409, 429, 500]) | st.integers(
    100, 999
)


def read_or_refuse(operation, status, body, charset="rot13"):
    """Read an answer; an error of ours names its operation, and any other ends the test."""
    kind = f"text/plain; charset={charset}".encode("utf-8", "replace")
    response = httpx.Response(status, content=body, headers=[(b"content-type", kind)])
    error = failure_of(operation, response)
    if error is not None:
        assert operation.name == error.operation
        assert str(error).startswith(f"{operation.vendor} {operation.name} ")


def failure_of(operation, response):
    try:
        operation.read(response)
    except VendorError as error:
        return error


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_no_answer_raises_anything_but_our_errors(operation, data):
    read_or_refuse(
        operation, data.draw(STATUSES), data.draw(body_of(operation.vendor)), data.draw(st.text(max_size=8))
    )


@pytest.mark.parametrize(("status", "body"), ODD, ids=[f"{status} {body[:30]!r}" for status, body in ODD])
def test_no_answer_that_once_did_raises_anything_but_our_errors(status, body):
    for operation in OPERATIONS.values():
        read_or_refuse(operation, status, body)


# Jiwa -------------------------------------------------------------------------------------------------------


def test_names_are_read_in_any_case_and_unknown_ones_are_kept():
    order = JiwaClient.save_sales_order.read(
        answer({"invoiceid": "1", "orderNo": 7, "Carrier": {"Name": "x"}})
    )

    assert ("1", "7", {"Name": "x"}) == (order.InvoiceID, order.OrderNo, order.Carrier)


def test_null_is_read_as_absent_and_a_byte_order_mark_is_skipped():
    order = JiwaClient.save_sales_order.read(
        httpx.Response(200, content=b'\xef\xbb\xbf{"InvoiceID": "1", "OrderNo": null, "Lines": null}')
    )

    assert ("", []) == (order.OrderNo, order.Lines)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-07-01T10:20:30.1234567", datetime.fromisoformat("2025-07-01T10:20:30.123456")),
        ("0001-01-01T00:00:00.0000000", None),
        ("1900-01-01T00:00:00", None),
        ("", None),
        (None, None),
    ],
)
def test_a_moment_that_means_never_is_none(text, moment):
    order = JiwaClient.save_sales_order.read(answer({"InvoiceID": "1", "InvoiceInitDate": text}))

    assert moment == order.InvoiceInitDate


def test_the_vendors_ticks_are_a_moment():
    order = JiwaClient.save_sales_order.read(answer({"InvoiceID": "1", "InvoiceInitDate": "/Date(0+1000)/"}))

    assert 1970 == order.InvoiceInitDate.year


def test_money_is_exact():
    lines = [{"LineTotal": 40.7}, {"LineTotal": 0.1}]

    order = JiwaClient.save_sales_order.read(answer({"InvoiceID": "1", "Lines": lines}))

    assert Decimal("40.8") == sum(line.LineTotal for line in order.Lines)


def test_an_order_survives_json():
    order = JiwaClient.save_sales_order.read(
        answer(
            {
                "InvoiceID": "1",
                "Lines": [{"LineTotal": 40.7}],
                "InvoiceInitDate": "2025-07-01T00:00:00",
                "X": 1,
            }
        )
    )

    again = type(order).model_validate_json(order.model_dump_json())

    assert order == again


def test_an_empty_answer_to_a_read_of_one_thing_is_not_found():
    with pytest.raises(NotFound):
        JiwaClient.get_sales_order.read(answer(status=204))


def test_an_empty_answer_to_a_read_of_a_list_is_an_empty_list():
    assert [] == JiwaClient.list_sales_order_notes.read(answer(status=204))
    assert [] == JiwaClient.query_debtors.read(answer(status=204)).Results


def test_an_empty_answer_to_a_write_leaves_open_whether_it_was_done():
    with pytest.raises(UnexpectedAnswer) as failure:
        JiwaClient.create_sales_order.read(answer(status=204))

    assert failure.value.maybe_applied


def test_an_empty_response_status_is_no_error():
    session = JiwaClient.login.read(answer({"SessionId": "abc", "UserName": "api", "ResponseStatus": {}}))

    assert "abc" == session.SessionId.get_secret_value()


def test_an_error_code_in_a_good_answer_is_an_error():
    with pytest.raises(Refused, match="No such part"):
        JiwaClient.create_sales_order.read(
            answer({"ResponseStatus": {"ErrorCode": "ArgumentException", "Message": "No such part"}})
        )


def test_validation_errors_are_reported_one_by_one_without_the_stack_trace():
    status = {
        "ErrorCode": "ValidationException",
        "Message": "Not valid",
        "StackTrace": "at Jiwa.Secret.Method",
        "Errors": [{"FieldName": "DebtorID", "Message": "is missing"}],
    }

    with pytest.raises(Refused) as failure:
        JiwaClient.create_sales_order.read(answer({"ResponseStatus": status}, status=400))

    assert ("Not valid; DebtorID is missing", 1) == (failure.value.detail, len(failure.value.rows))
    assert "Jiwa.Secret" not in str(failure.value)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("The part is used on an order", Refused),
        ("Record has been changed since it was read", Conflict),
        ("Optimistic concurrency violation", Conflict),
        ("", Refused),
    ],
)
def test_the_two_kinds_of_409_are_distinguished_by_their_text(message, kind):
    with pytest.raises(kind):
        JiwaClient.update_sales_order.read(
            answer({"ResponseStatus": {"ErrorCode": "Conflict", "Message": message}}, status=409)
        )


def test_a_page_for_browsers_is_no_answer():
    with pytest.raises(UnexpectedAnswer, match="<html>"):
        JiwaClient.get_sales_order.read(httpx.Response(200, content=b"<html>Snapshot</html>"))


def test_a_record_without_its_id_is_no_answer_and_names_the_field():
    with pytest.raises(UnexpectedAnswer, match="InvoiceID"):
        JiwaClient.get_sales_order.read(answer({"OrderNo": "1"}))


@pytest.mark.parametrize("value", [[{"SubscriptionID": "1"}], {"Results": [{"RecID": "1"}]}])
def test_a_list_is_read_bare_or_in_its_envelope(value):
    assert ["1"] == [
        each.SubscriptionID for each in JiwaClient.list_webhook_subscriptions.read(answer(value))
    ]


# Zentitle ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("License Codes Created Successfully : 111,222", ["111", "222"]),
        ("License Codes Created Successfully : 111 , 222 ", ["111", "222"]),
        ("OK", []),
    ],
)
def test_codes_are_read_from_the_vendors_sentence(text, codes):
    assert codes == ZentitleClient.create_license_codes.read(answer(text))


@pytest.mark.parametrize(
    "text", ["Not enough codes in the code bank", "Product not found", "Error: No codes."]
)
def test_a_sentence_that_says_no_is_a_refusal_where_the_good_one_is_known(text):
    with pytest.raises(Refused) as failure:
        ZentitleClient.create_license_codes.read(answer(text))

    assert not failure.value.maybe_applied


@pytest.mark.parametrize(
    "value",
    [
        "License Codes Created Successfully : ",
        "License Codes Created Successfully",
        "License Codes were not created Successfully",
        {"codes": ["1"]},
        None,
    ],
)
def test_an_answer_that_fits_nothing_leaves_open_whether_codes_were_made(value):
    with pytest.raises(UnexpectedAnswer) as failure:
        ZentitleClient.create_license_codes.read(answer(value))

    assert failure.value.maybe_applied


@pytest.mark.parametrize("text", ["OK", "ok", "Company Created Successfully", "Something done Successfully."])
def test_where_no_sentence_is_documented_a_success_is_recognised(text):
    assert text == ZentitleClient.create_company.read(answer(text))


@pytest.mark.parametrize(
    "text",
    ["Company was not created successfully", "Company exists", "Unsuccessfully created", "Done", 7, [], {}],
)
def test_where_no_sentence_is_documented_others_leave_it_open(text):
    with pytest.raises(UnexpectedAnswer) as failure:
        ZentitleClient.create_company.read(answer(text))

    assert failure.value.maybe_applied


TERMS = {"licenseType": "Perpetual", "subscriptionPeriod": 0, "clientsAllowed": 1}


def test_a_record_comes_as_a_list_of_one_or_bare():
    record = {"licenseCode": 312410225741720791, "productId": 6453300110, "enabledforuse": "True"} | TERMS

    for value in ([record], record):
        read = ZentitleClient.get_license_code.read(answer(value))
        assert ("312410225741720791", "6453300110", True) == (
            read.licenseCode,
            read.productID,
            read.enabledforuse,
        )


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("License code does not exist", NotFound),
        ("Invalid request", Refused),
        ([], NotFound),
        (None, NotFound),
        ([{"licenseCode": "1"}, {"licenseCode": "1"}], UnexpectedAnswer),
        (7, UnexpectedAnswer),
    ],
)
def test_a_text_in_the_place_of_a_record_is_an_error(value, kind):
    with pytest.raises(kind):
        ZentitleClient.get_license_code.read(answer(value))


def test_an_object_in_escaped_text_is_read():
    [record] = ZentitleClient.list_consumer_data.read(
        answer([{"licenseCode": "1", "clientInfo": '{"email":"a@example.com"}'}])
    ).Results

    assert {"email": "a@example.com"} == record.clientInfo


def test_an_object_in_broken_text_stays_text():
    [record] = ZentitleClient.list_consumer_data.read(
        answer([{"licenseCode": "1", "clientInfo": '{"email":'}])
    ).Results

    assert '{"email":' == record.clientInfo


def test_a_fault_tells_the_vendors_message():
    with pytest.raises(Unavailable, match="Database is down"):
        ZentitleClient.list_products.read(answer({"Message": "Database is down"}, status=500))


# Sensorpro --------------------------------------------------------------------------------------------------


def result(*errors, **more):
    rows = [{"Sequence": 0, "Description": text, "Code": "X"} for text in errors]
    return {
        "Result": {"RequestId": "r-1", "ErrorMessages": rows, "StatusMesssages": [], "TotalErrors": len(rows)}
    } | more


def test_a_result_without_errors_is_a_success():
    assert "r-1" == SensorproClient.trigger_email.read(answer(result())).Result.RequestId


def test_a_result_with_errors_is_a_refusal_with_its_rows():
    with pytest.raises(Refused) as failure:
        SensorproClient.trigger_email.read(answer(result("No such contact")))

    [row] = failure.value.rows
    assert ("No such contact", "r-1") == (row["Description"], failure.value.request_id)


@pytest.mark.parametrize("value", [{}, {"Result": {}}, {"Result": None}, [], None, "OK"])
def test_an_answer_without_a_result_leaves_open_whether_the_mail_went(value):
    with pytest.raises(UnexpectedAnswer) as failure:
        SensorproClient.trigger_email.read(answer(value))

    assert failure.value.maybe_applied


def test_logging_off_is_answered_by_nothing():
    assert SensorproClient.log_off.read(answer()) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The token is not valid or has expired.", NotAuthenticated),
        ("Invalid token", NotAuthenticated),
        ("Session expired", NotAuthenticated),
        ("Invalid personalisation token in the design", Refused),
        ("The design holds a token without a value", Refused),
    ],
)
def test_only_an_error_about_the_session_asks_for_a_new_sign_in(text, kind):
    with pytest.raises(kind):
        SensorproClient.trigger_email.read(answer(result(text)))


@pytest.mark.parametrize(
    ("endpoint", "base", "trusted"),
    [
        ("https://apinie.sensorpro.net/", "https://apinie.sensorpro.net", True),
        ("https://api2.sensorpro.net/", "https://apinie.sensorpro.net", True),
        ("http://api2.sensorpro.net/", "https://apinie.sensorpro.net", False),
        ("https://sensorpro.net.evil.example/", "https://apinie.sensorpro.net", False),
        ("https://evilsensorpro.net/", "https://apinie.sensorpro.net", False),
        ("https://evil.example/", "https://apinie.sensorpro.net", False),
        ("https://api2.sensorpro.net:8443/", "https://apinie.sensorpro.net", False),
        ("https://me@api2.sensorpro.net/", "https://apinie.sensorpro.net", False),
        ("https://api2.sensorpro.net/?x=", "https://apinie.sensorpro.net", False),
        ("http://127.0.0.1:8412/", "http://127.0.0.1:8412", True),
        ("http://127.0.0.1:8413/", "http://127.0.0.1:8412", False),
        ("http://evil.example:8412/", "http://127.0.0.1:8412", False),
        ("", "https://apinie.sensorpro.net", False),
        ("not an address", "https://apinie.sensorpro.net", False),
        ("https://[", "https://apinie.sensorpro.net", False),
    ],
)
def test_the_token_goes_only_where_it_may(endpoint, base, trusted):
    assert trusted == is_trusted_endpoint(endpoint, base)
