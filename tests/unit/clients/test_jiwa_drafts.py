"""Jiwa's drafts: what is kept in a session until it is saved, and what happened to it otherwise."""

import asyncio
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from vendor_answers import answer

from hookline.clients import AnswerLost, Conflict, InvalidInput, NotAllowed, NotAuthenticated, pages
from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.errors import ConfigurationError

ORDER = {"InvoiceID": "i1"}
QUOTE = {"QuoteID": "q1"}


def refusal(message, status=409):
    return answer({"ResponseStatus": {"ErrorCode": "JiwaException", "Message": message}}, status)


class Office:
    """A Jiwa that logs what it is asked, says yes to all, and otherwise what it is told to say."""

    def __init__(self):
        self.calls = []
        self.sessions = 0
        self.says = {}

    def __call__(self, request):
        path = request.url.path
        call = f"{request.method} {path}"
        head = request.headers
        self.calls.append((call, head.get("jiwa-stateful"), head.get("x-ss-id")))
        if call in self.says:
            reported = self.says[call]
            if isinstance(reported, Exception):
                raise reported
            return reported
        if path in ("/auth", "/Sessions/Current"):
            self.sessions += 1
            return answer({"SessionId": f"session-{self.sessions}", "Id": f"session-{self.sessions}"})
        ids = {"InvoiceID": "i1", "QuoteID": "q1", "DebtorID": "d1", "InvoiceLineID": "l1"}
        return answer(dict.fromkeys(JiwaClient.get_sales_order.shows.split()) | ids)

    def requests(self):
        return [call for call, _, _ in self.calls]


@pytest.fixture
def office():
    return Office()


@pytest.fixture
def by_user(client_for, office):
    return client_for("jiwa_user", office)


CHANGED_ORDER = ("update_sales_order", ORDER | {"SOReference": "x"})
CHANGED_QUOTE = ("update_sales_quote", QUOTE | {"SOReference": "x"})
CHANGED_DEBTOR = ("update_debtor", {"DebtorID": "d1", "Name": "y"})


async def draft_of(client, *changes, failure=None):
    """Make these changes in a draft, which a failure may end."""
    async with client.editing() as draft:
        for name, inputs in changes:
            await getattr(draft, name)(**inputs)
        if failure:
            raise failure


async def test_a_draft_saves_what_it_wrote_at_its_end_and_ends_its_session(by_user, office):
    async with by_user.editing() as draft:
        await draft.get_sales_order(**ORDER)
        await draft.update_sales_order(**ORDER, SOReference="x")
        await draft.update_debtor(DebtorID="d1", Name="y")
        before = list(office.calls)

    assert [
        ("POST /auth", None, None),
        ("GET /SalesOrders/i1", "true", "session-1"),
        ("PATCH /SalesOrders/i1", "true", "session-1"),
        ("PATCH /Debtors/d1", "true", "session-1"),
    ] == before
    assert [
        ("GET /SalesOrders/i1/Save", "true", "session-1"),
        ("GET /Debtors/d1/Save", "true", "session-1"),
        ("GET /auth/logout", None, "session-1"),
    ] == office.calls[len(before) :]


async def test_a_draft_saves_what_it_created(by_user, office):
    async with by_user.editing() as draft:
        quote = await draft.create_sales_quote(DebtorID="d1")
        await draft.create_sales_quote_line(QuoteID=quote.QuoteID, QuoteHistoryID="h1", PartNo="1170")

    assert ["POST /SalesQuotes", "POST /SalesQuotes/q1/Historys/h1/Lines", "GET /SalesQuotes/q1/Save"] == (
        office.requests()[1:-1]
    )


async def test_a_draft_that_only_reads_saves_nothing(by_user, office):
    async with by_user.editing() as draft:
        await draft.get_sales_order(**ORDER)
        [row async for row in pages(draft.query_sales_orders)]
        await draft.keep_alive()

    assert {None} == {stateful for call, stateful, _ in office.calls if "Queries" in call or "Alive" in call}
    assert not [call for call in office.requests() if "Save" in call or "Abandon" in call]


async def test_a_draft_that_does_nothing_does_not_log_in(by_user, office):
    async with by_user.editing():
        pass

    assert [] == office.calls


@pytest.mark.parametrize("failure", [ValueError("a bug"), asyncio.CancelledError()])
async def test_an_exception_drops_the_draft(by_user, office, failure):
    with pytest.raises(type(failure)):
        await draft_of(by_user, CHANGED_ORDER, CHANGED_QUOTE, CHANGED_DEBTOR, failure=failure)

    assert ["DELETE /SalesOrders/i1/Abandon", "DELETE /SalesQuotes/q1/Abandon", "GET /auth/logout"] == (
        office.requests()[4:]
    )


async def test_a_failure_to_drop_a_draft_does_not_hide_why_it_was_dropped(by_user, office):
    office.says = {
        "DELETE /SalesOrders/i1/Abandon": answer(status=500),
        "GET /auth/logout": answer(status=500),
    }

    with pytest.raises(ValueError, match="a bug"):
        await draft_of(by_user, CHANGED_ORDER, failure=ValueError("a bug"))

    assert "GET /auth/logout" == office.requests()[-1]


async def test_a_write_whose_answer_is_lost_is_dropped_too(by_user, office):
    office.says = {"PATCH /SalesOrders/i1": httpx.ReadError("reset")}

    with pytest.raises(AnswerLost):
        await draft_of(by_user, CHANGED_ORDER)

    assert "DELETE /SalesOrders/i1/Abandon" in office.requests()


async def test_a_save_that_fails_is_reported_and_what_comes_after_it_is_dropped(by_user, office):
    office.says = {"GET /SalesOrders/i1/Save": refusal("The record was changed by another user.")}

    with pytest.raises(Conflict) as failure:
        await draft_of(by_user, CHANGED_ORDER, CHANGED_QUOTE)

    assert "save_sales_order" == failure.value.operation
    assert [
        "GET /SalesOrders/i1/Save",
        "DELETE /SalesOrders/i1/Abandon",
        "DELETE /SalesQuotes/q1/Abandon",
    ] == (office.requests()[3:-1])


async def test_what_was_saved_or_abandoned_by_hand_is_not_saved_again(by_user, office):
    async with by_user.editing() as draft:
        await draft.update_sales_order(**ORDER, SOReference="x")
        await draft.save_sales_order(**ORDER)
        await draft.update_sales_quote(**QUOTE, SOReference="x")
        await draft.abandon_sales_quote(**QUOTE)

    assert ["GET /SalesOrders/i1/Save"] == [call for call in office.requests() if "Save" in call]


async def test_two_drafts_and_the_client_have_a_session_each(by_user, office):
    async with by_user as client, client.editing() as one, client.editing() as two:
        await client.get_sales_order(**ORDER)
        await one.get_sales_order(**ORDER)
        await two.get_sales_order(**ORDER)

    assert [(None, "session-1"), ("true", "session-2"), ("true", "session-3")] == [
        (stateful, session) for call, stateful, session in office.calls if call == "GET /SalesOrders/i1"
    ]


async def test_a_session_that_ends_takes_its_draft_along_and_is_not_renewed(by_user, office):
    office.says = {"PATCH /SalesQuotes/q1": answer(status=401)}

    with pytest.raises(NotAuthenticated, match="what was not saved is gone"):
        await draft_of(by_user, CHANGED_ORDER, CHANGED_QUOTE)

    assert (1, 1) == tuple(office.requests().count(call) for call in ("POST /auth", "PATCH /SalesQuotes/q1"))


async def test_a_log_in_that_is_refused_is_no_session_that_ended(by_user, office):
    office.says = {"POST /auth": answer(status=401)}

    with pytest.raises(NotAuthenticated) as failure:
        await draft_of(by_user, CHANGED_ORDER)

    assert "gone" not in str(failure.value)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("update_inventory_item", {"InventoryID": "1", "Description": "x"}),
        ("create_webhook_subscriber", {"Name": "x"}),
        ("process_sales_order", ORDER),
        ("delete_sales_order", ORDER),
        ("logout", {}),
    ],
)
async def test_what_a_draft_could_not_drop_again_is_not_sent_in_one(by_user, office, name, inputs):
    async with by_user.editing() as draft:
        with pytest.raises(InvalidInput, match=f"{name} was not sent"):
            await getattr(draft, name)(**inputs)

    assert [] == office.calls


async def test_a_draft_by_key_uses_the_session_that_jiwa_opens_beside_the_key(office):
    key = JiwaKey(SecretStr("the-secret-key"))
    client = JiwaClient(f"https://{uuid4()}.example", key, transport=httpx.MockTransport(office))
    await draft_of(client, CHANGED_ORDER)

    assert [
        ("GET /Sessions/Current", None, None),
        ("PATCH /SalesOrders/i1", "true", "session-1"),
        ("GET /SalesOrders/i1/Save", "true", "session-1"),
        ("GET /auth/logout", None, "session-1"),
    ] == office.calls


async def test_the_session_of_a_draft_is_in_no_error(by_user, office):
    office.says = {"PATCH /SalesOrders/i1": refusal("session session-1 is not allowed", 403)}

    with pytest.raises(NotAllowed) as failure:
        await draft_of(by_user, CHANGED_ORDER)

    assert "session-1" not in str(failure.value)


async def test_a_draft_that_is_not_open_says_how_to_open_it(by_user):
    with pytest.raises(RuntimeError, match="async with"):
        await by_user.editing().update_sales_order(**ORDER, SOReference="x")


async def test_a_draft_makes_no_drafts(by_user):
    async with by_user.editing() as draft:
        with pytest.raises(ConfigurationError, match="JiwaKey or a JiwaUser"):
            draft.editing()
