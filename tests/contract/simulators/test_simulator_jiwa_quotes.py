"""Jiwa's quotes: like orders, with keys of their own, and a list that is spelt like that of the orders."""

import re

import pytest
from jiwa_calls import DATE_TIME, complaint


@pytest.fixture
async def quote(jiwa):
    """A quote for two cartridges."""
    lines = [{"PartNo": "TON-BLK-410", "QuantityOrdered": 2}]
    return await quoted(jiwa, SOReference="tender 7", Lines=lines, Notes=[{"NoteText": "until Friday"}])


async def quoted(jiwa, **body):
    response = await jiwa.post("/SalesQuotes", json={"DebtorAccountNo": "2001"} | body)
    assert 201 == response.status_code, response.text
    return response.json()


async def read(jiwa, quote):
    return (await jiwa.get(f"/SalesQuotes/{quote['QuoteID']}")).json()


def lines(quote):
    return f"/SalesQuotes/{quote['QuoteID']}/Historys/{quote['Histories'][0]['QuoteHistoryID']}/Lines"


async def test_a_new_quote_is_priced_and_has_keys_of_its_own(quote):
    [line], [history] = quote["Lines"], quote["Histories"]

    assert ("e_SalesQuoteEntered", "Northgate Printing") == (quote["Status"], quote["DebtorName"])
    assert (118, 23.6, 259.6) == (line["PriceExGst"], line["TaxToCharge"], line["LineTotal"])
    assert (259.6, [line]) == (history["HistoryTotal"], history["Lines"])
    assert re.fullmatch(r"[0-9a-f]{20}", quote["QuoteID"])
    assert re.fullmatch(DATE_TIME, history["ExpiryDate"])
    assert ["until Friday"] == [note["NoteText"] for note in quote["Notes"]]


async def test_an_unset_date_is_the_first_day_of_the_calendar(quote):
    assert "0001-01-01T00:00:00.0000000" == quote["ExpectedDeliveryDate"]


async def test_a_patch_changes_and_appends_and_leaves_the_customer(jiwa, quote):
    body = {
        "OrderNo": "PO-3",
        "DebtorAccountNo": "1001",
        "Lines": [
            {"QuoteLineID": quote["Lines"][0]["QuoteLineID"], "DiscountedPrice": 100},
            {"CommentLine": True, "CommentText": "Prices hold for a month"},
        ],
        "Notes": [
            {"NoteID": quote["Notes"][0]["NoteID"], "NoteText": "until Monday"},
            {"NoteText": "called"},
        ],
    }

    response = await jiwa.patch(f"/SalesQuotes/{quote['QuoteID']}", json=body)

    changed = await read(jiwa, quote)
    assert (200, changed) == (response.status_code, response.json())
    assert ("PO-3", "2001", 220) == (
        changed["OrderNo"],
        changed["DebtorAccountNo"],
        changed["Histories"][0]["HistoryTotal"],
    )
    assert [False, True] == [line["CommentLine"] for line in changed["Lines"]]
    assert ["until Monday", "called"] == [note["NoteText"] for note in changed["Notes"]]


async def test_a_line_is_added_read_changed_and_deleted(jiwa, quote):
    added = await jiwa.post(lines(quote), json={"PartNo": "DIAG-INIT", "QuantityOrdered": 1})
    one = f"{lines(quote)}/{added.json()['QuoteLineID']}"
    changed = await jiwa.patch(one, json={"QuantityOrdered": 3, "Description": "Initialisation"})
    found = (await jiwa.get(one)).json()
    statuses = [added.status_code, changed.status_code]
    statuses += [(await jiwa.delete(one)).status_code for _ in range(2)]

    assert [201, 200, 204, 404] == statuses
    assert (2, 3, 280.5, "Initialisation") == (
        found["ItemNo"],
        found["QuantityOrdered"],
        found["LineTotal"],
        found["Description"],
    )
    assert quote["Lines"] == (await read(jiwa, quote))["Lines"]


async def test_a_line_of_another_history_is_not_found(jiwa, quote):
    other = await quoted(jiwa)

    response = await jiwa.get(f"{lines(other)}/{quote['Lines'][0]['QuoteLineID']}")

    assert (404, "RecordNotFoundException") == complaint(response)


async def test_the_list_calls_a_quote_an_invoice_and_shows_numbers_for_status(jiwa, quote):
    query = {"QOReference": "tender 7", "Include": "Total"}

    answer = (await jiwa.get("/Queries/SalesQuoteList", params=query)).json()

    [row] = answer["Results"]
    assert (1, quote["QuoteID"], quote["QuoteNo"]) == (answer["Total"], row["InvoiceID"], row["InvoiceNo"])
    assert (0, 259.6, "2001") == (row["Status"], row["LocalInvoiceTotalIncTax"], row["AccountNo"])


async def test_the_firm_has_quotes_out_already(jiwa):
    rows = (await jiwa.get("/Queries/SalesQuoteList", params={"OrderBy": "InvoiceInitDate"})).json()[
        "Results"
    ]

    assert ["1001", "2002", "3002"] == [row["AccountNo"] for row in rows]
