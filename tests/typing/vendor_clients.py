"""The types a caller sees; checked by mypy, never run."""

from decimal import Decimal
from typing import Any, assert_type

from pydantic import SecretStr

from hookline.clients import CLIENTS, Operation, VendorClient, VendorError, operations, pages
from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.clients.jiwa.models import Note, SalesOrder
from hookline.clients.jiwa.queries import DebtorRow, QueryResponse, SalesOrderRow
from hookline.clients.sensorpro import SensorproClient
from hookline.clients.sensorpro.models import Contacts, Done, NewContact
from hookline.clients.zentitle import ZentitleClient
from hookline.clients.zentitle.customers import CompanyID
from hookline.clients.zentitle.models import LicenseCode

assert_type(CLIENTS["jiwa"], type[VendorClient])
assert_type(operations(JiwaClient), dict[str, Operation[..., Any]])


async def jiwa() -> None:
    async with JiwaClient("https://jiwa.example", JiwaKey(SecretStr("key"))) as client:
        assert_type(client, JiwaClient)
        assert_type(await client.get_sales_order(InvoiceID="1"), SalesOrder)
        assert_type(await client.list_sales_order_notes(InvoiceID="1"), list[Note])
        assert_type(await client.query_sales_orders(OrderNo="1", Take=1), QueryResponse[SalesOrderRow])
        assert_type((await client.get_sales_order(InvoiceID="1")).Lines[0].QuantityOrdered, Decimal)
        assert_type(await client.delete_webhook_subscriber(SubscriberID="1"), None)
        async for row in pages(client.query_debtors, AccountNo="1001"):
            assert_type(row, DebtorRow)
        await client.get_sales_order(InvoiceId="1")  # type: ignore[call-arg]
        await client.get_sales_order()  # type: ignore[call-arg]
        await client.get_sales_order(InvoiceID=1)  # type: ignore[arg-type]
        pages(client.query_debtors, AccountNumber="1001")  # type: ignore[call-overload]


async def zentitle(client: ZentitleClient) -> None:
    assert_type(await client.get_license_code(licensecode="1"), LicenseCode)
    assert_type(await client.create_license_codes(productid="1", numcodes=2), list[str])
    assert_type(await client.get_company_id(company="Ace"), CompanyID)
    assert_type(await client.create_company(company="Ace", productid="1", global_=1), str)
    async for code in pages(client.list_license_codes, productid="1", used=False):
        assert_type(code, LicenseCode)


async def sensorpro(client: SensorproClient) -> None:
    person = NewContact(PersonalEMail="a@example.com")
    assert_type(await client.upsert_contacts(Contact=[person]), Done)
    assert_type(await client.get_contacts(PersonalEMail="a@example.com"), Contacts)


def failed(error: VendorError) -> None:
    assert_type((error.transient, error.maybe_applied), tuple[bool, bool])
    assert_type((error.status, error.retry_after), tuple[int | None, float | None])
