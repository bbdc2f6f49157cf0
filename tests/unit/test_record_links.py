"""Links of reports: only to addresses that the firm set, whatever an id holds."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from flows.meter_orders import Made
from flows.meter_table import entries_of
from flows.meters import Bill, Line
from flows.reconcile import Difference
from flows.report import Row, table_of
from hookline.catalog import Meters
from hookline.clients.jetadvice.models import Customer
from hookline.record_links import (
    Record,
    block_link,
    delivery_link,
    parse_record_urls,
    record_link,
    record_links,
)

ADDRESSES = {"jiwa": "https://erp.example.com/{kind}/{id}", "jiwa/north": "https://north.example.com/{id}"}


def seen(text):
    """What a reader of Markdown sees: the links, and the tokens that are neither text nor link."""
    [inline] = [token for token in MarkdownIt().parse(f"x {text} x") if token.type == "inline"]
    links = [token.attrs["href"] for token in inline.children if token.type == "link_open"]
    return links, {token.type for token in inline.children} - {"text", "link_open", "link_close"}


def test_a_record_is_a_link_where_its_account_has_an_address_and_text_elsewhere():
    order = Record("jiwa", "sales-order", "5244 d/5", name="order 100123")

    assert "[order 100123](https://erp.example.com/sales-order/5244%20d%2F5)" == record_link(order, ADDRESSES)
    assert "[7](https://north.example.com/7)" == record_link(Record("jiwa", "quote", "7", "north"), ADDRESSES)
    assert "order 100123" == record_link(order, {})
    assert "7" == record_link(Record("jiwa", "quote", "7", "south"), ADDRESSES)
    assert "" == record_links([Record("zentitle", "license", "7")], ADDRESSES)


@given(st.text(min_size=1, max_size=30), st.text(max_size=30))
def test_no_id_and_no_name_leads_anywhere_else(id_, name):
    link = record_link(Record("jiwa", "sales-order", id_, name=name), ADDRESSES)

    links, others = seen(link)
    assert set() == others
    assert all(each.startswith("https://erp.example.com/sales-order/") for each in links)
    assert all(each.count("/") == 4 and "?" not in each and "#" not in each for each in links)


@pytest.mark.parametrize(
    "hostile",
    [
        "1](javascript:alert(1))",
        "1)](https://evil.example)",
        "![x](https://evil.example/p.png)",
        "<script>alert(1)</script>",
        "../../logout",
        "a|b",
        "x?next=https://evil.example#f",
        "\ud800",
        "line\nbreak",
        "\u202egnp",
    ],
)
def test_hostile_ids_stay_in_their_place(hostile):
    links, others = seen(record_link(Record("jiwa", "sales-order", hostile), ADDRESSES))

    assert (1, set()) == (len(links), others)
    assert links[0].startswith("https://erp.example.com/sales-order/")
    assert 4 == links[0].count("/")


@pytest.mark.parametrize("step", [".", "..", "", " .. "])
def test_an_id_that_is_a_step_in_a_path_makes_no_link(step):
    assert ([], set()) == seen(record_link(Record("jiwa", "sales-order", step), ADDRESSES))


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("jiwa=http://erp.example.com/{id}", "https"),
        ("jiwa=https://ann:pw@erp.example.com/{id}", "https"),
        ("jiwa=https://{id}.example.com/", "https"),
        ("jiwa=https://erp.example.com/{id})x", "https"),
        ("jiwa=javascript:{id}", "https"),
        ("jiwa=https://erp.example.com:x/{id}", "https"),
        ("jiwa=https://erp.example.com/", "must have {id}"),
        ("jiwa=https://erp.example.com/{id}/{secret}", "must have {id}"),
        ("jiwa=https://erp.example.com/{id}?api_key=1", "secret"),
        ("shop=https://erp.example.com/{id}", "no vendor"),
        ("https://erp.example.com/{id}", "no vendor"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(raw, problem):
    with pytest.raises(ValueError, match=problem):
        parse_record_urls(raw)


def test_addresses_are_set_by_vendor_or_account():
    assert ADDRESSES == parse_record_urls(", ".join(f"{whose}={url}" for whose, url in ADDRESSES.items()))


def test_a_row_about_credentials_leads_to_their_block_in_the_prefect_ui():
    block = UUID(int=7)

    assert f"[default](https://hooks.example.com/prefect/blocks/block/{block})" == block_link(
        "default", block, "https://hooks.example.com/prefect"
    )


def test_the_cells_of_meters_lead_to_the_customer_the_device_and_the_order():
    made = Made(Customer(customerId="48211", name="Northgate"), "default", {}, {})
    line = Line(
        device="730101",
        serial="S-1",
        model="C4120",
        kind="Mono",
        start=1,
        end=9,
        at=datetime(2026, 11, 1, tzinfo=UTC),
    )
    bill = Bill(period="2026-10", lines=[line], quantities={"Mono": 8})
    rules = Meters(report="5001", since="2026-10", parts={"Mono": "CLICK-MONO"})
    order = Record("jiwa", "sales-order", "5244", "north", "100123")
    addresses = ADDRESSES | {"jetadvice": "https://fleet.example.com/{kind}/{id}"}

    [of_order, of_device] = [each.cells(addresses) for each in entries_of(rules, made, bill, order=order)]

    customer = "[Northgate 48211](https://fleet.example.com/customer/48211)"
    assert {"[100123](https://north.example.com/5244)", customer} <= set(of_order.values())
    assert (customer, "") == (of_device["customer"], of_device["order"])
    assert of_device["device"].endswith("(https://fleet.example.com/device/730101)")
    assert ["1", "9"] == [of_device["from"], of_device["to"]]


def test_what_people_call_a_record_stands_in_its_link_without_backslashes():
    """Prefect's UI shows the text of a link as it is written."""
    record = Record("jiwa", "sales-order", "5244", name="Baxter & Lowe (TON-BLK-410), no. 7")

    assert record_link(record, ADDRESSES).startswith("[Baxter & Lowe (TON-BLK-410), no. 7](https://")


def test_a_difference_leads_to_the_order_or_license_that_it_is_about():
    order = Record("jiwa", "sales-order", "5244", "north", "jiwa/north order 100123")
    found = Difference(order, "paid, with no mail", repairable=True)

    row = found.row(ADDRESSES)

    assert "[jiwa/north order 100123](https://north.example.com/5244)" == row["what"]
    nameless = Difference(Record("jiwa", "sales-order", "", name="order 7"), "no mail").row(ADDRESSES)
    assert ("order 7", True, False) == (nameless["what"], row["repairable"], nameless["repairable"])


def test_a_report_leads_back_to_its_delivery():
    delivery = UUID(int=7)

    assert f"[delivery {delivery}](https://hooks.example.com/deliveries/{delivery})" == delivery_link(
        delivery, "https://hooks.example.com"
    )


def test_the_table_of_a_report_links_to_the_records_of_its_rows():
    quoted = Row("license C-1", "Garage Nord", "quote 7", records=[Record("jiwa", "quote", "7")])
    failed = Row("license C-2", "Garage Nord", problem="no price")

    with_links, without = table_of([quoted, failed], ADDRESSES), table_of([quoted, failed], {})

    assert ["[7](https://erp.example.com/quote/7)", ""] == [row["records"] for row in with_links]
    assert [False, False] == ["records" in row for row in without]
