"""The error tree: what each error tells, in this process and in another."""

import copy
import inspect
import pickle
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hookline.clients import VendorError, errors
from hookline.clients.answers import MAX_WAIT, retry_after
from hookline.clients.errors import kind_of
from hookline.clients.jiwa import JiwaClient

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, VendorError)]


def _error(kind):
    return kind(
        vendor="jiwa", operation="create_sales_order", status=500, detail="x", request_id="r", retry_after=3
    )


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_pickling_and_copying(kind):
    error = _error(kind)

    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(error), str(error), vars(error)) == (type(again), str(again), vars(again))


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_says_what_happened_to_which_call_and_what_to_do(kind):
    text = str(_error(kind))

    assert text.startswith("jiwa create_sales_order ")
    assert kind.advice in text
    assert kind.__doc__


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, "UnexpectedAnswer"),
        (400, "Refused"),
        (401, "NotAuthenticated"),
        (403, "NotAllowed"),
        (404, "NotFound"),
        (405, "Refused"),
        (408, "Unavailable"),
        (409, "Refused"),
        (429, "RateLimited"),
        (500, "Unavailable"),
        (503, "Unavailable"),
    ],
)
def test_a_status_stands_for_a_kind_of_error(status, kind):
    assert kind == kind_of(status).__name__


@pytest.mark.parametrize("name", ["Unavailable", "AnswerLost", "UnexpectedAnswer"])
def test_only_an_operation_that_is_not_safe_to_repeat_may_have_been_done(name):
    kind = getattr(errors, name)

    reported = [
        JiwaClient.create_sales_order.error(kind).maybe_applied,
        JiwaClient.get_sales_order.error(kind).maybe_applied,
    ]

    assert [True, False] == reported


@pytest.mark.parametrize(
    "name", ["Refused", "NotFound", "NotAllowed", "RateLimited", "Unreachable", "Conflict"]
)
def test_a_call_that_was_turned_away_was_not_done(name):
    assert not JiwaClient.create_sales_order.error(getattr(errors, name)).maybe_applied


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("2", 2.0),
        ("1.5", 1.5),
        ("-1", 0.0),
        ("1e309", None),
        ("nan", None),
        ("inf", None),
        ("²", None),
        ("\uff19", None),
        ("99999999999", MAX_WAIT),
        ("soon", None),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Thu, 01 Jan 2026 00:01:00", 60.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 99999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_nonsense_is_none(header, seconds):
    assert seconds == retry_after(header, NOW)


@given(
    header=st.text()
    | st.from_regex(r"\A-?[0-9.eE+_-]*\Z")
    | st.datetimes().map(lambda at: at.strftime("%a, %d %b %Y"))
)
@example(header="Mon, 00 Jan 0000 00:00:00 +9999999999")
@example(header="9" * 5000)
def test_a_hostile_retry_after_is_a_wait_of_at_most_a_day_or_none(header):
    seconds = retry_after(header)

    assert seconds is None or 0 <= seconds <= MAX_WAIT


def test_the_vendors_own_request_id_is_reported():
    response = httpx.Response(500, headers={"X-Request-Id": "abc"})

    error = JiwaClient.get_sales_order.error(errors.Unavailable, response)

    assert ("abc", True) == (error.request_id, "request abc" in str(error))
