"""A posted certificate request brings one activation and the certificate by mail; a bad one gets its answer."""

import json
from uuid import uuid4

import httpx
import pytest
from credited_orders import write_catalog
from renewed_licenses import Renewals, day
from rows import arrival

from flows.offline_activation import offline_activation
from hookline.clients.zentitle.models import is_certificate
from hookline.inbox import deliveries
from hookline.settings import settings

PRO, TEAM = "6453300110", "6872450105"
COMPUTER = "BLXRrZJ5T9imK7qP+/SL"
GRANTED = {"campaign_id": "b7e40c29-61fa-4d83-9a15-08d2c6f3e791", "broadcast_id": 1}
DECLINED = {"campaign_id": "5a9c1d72-e4b8-4f06-8d37-c29f60b184ae", "broadcast_id": 1}
BOUNDARY = "a-boundary"


class Portal(Renewals):
    """A firm whose customers post certificate requests of computers that are offline."""

    def __init__(self, shop, zentitle, sensorpro, database):
        super().__init__(shop, zentitle, sensorpro)
        self.database = database

    async def sold(self, part="LIC-PRO", units=1):
        order = await self.licensed((part, units))
        code, *_ = self.licenses(order)
        return order, code

    async def request_of(self, code, computer=COMPUTER):
        """The request that the licensed program makes on a computer."""
        async with httpx.AsyncClient(base_url=self.sandbox.zentitle.url) as program:
            url = f"/_sandbox/licenses/{code}/certificates"
            made = (await program.post(url, json={"computerID": computer})).raise_for_status().json()
        return {
            "request_id": uuid4().hex[:8],
            "product_id": made["productID"],
            "license_code": code,
            "computer_id": computer,
            "email": "somebody@customer.example",
            "certificate": made["activationcertificate"],
        }

    async def post(self, body, content_type="application/json"):
        """Store what the gateway has verified, and run the flow for it; its end."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        new = arrival(uuid4().hex, source="offline", body=raw, content_type=content_type)
        receipt = await deliveries.accept(self.database, new)
        return await self.run_flow(offline_activation, str(receipt.id))

    def sent(self, request):
        """The mails about a request: to whom, and what they say."""
        mails = self.sandbox.sensorpro.records()["mails"]
        return [
            (mail["to"], mail["parameters"])
            for mail in mails
            if mail["parameters"].get("request") == request["request_id"]
        ]

    async def computers(self, code, product=PRO):
        async with self.zentitle.get_client() as client:
            rows = await client.list_license_code_activity(productid=product, licensecode=code, activated=1)
        return sorted(row.computerID for row in rows)

    async def customer_address(self, order):
        async with self.shop.jiwa.get_client() as client:
            return (await client.get_debtor(DebtorID=order.DebtorID)).EmailAddress


@pytest.fixture
def catalog(environment, repository, tmp_path):
    """Write catalog.yaml with these settings of offline activation."""
    environment.setenv("HOOKLINE_HOOKS", str(repository / "deployments/hooks.yaml"))

    def change(**settings):
        offline = {"granted": GRANTED, "declined": DECLINED} | settings
        write_catalog(environment, repository, tmp_path / "catalog.yaml", offline=offline)

    change()
    return change


@pytest.fixture
def portal(shop, zentitle, sensorpro, database, catalog):
    return Portal(shop, zentitle, sensorpro, database)


async def test_a_request_brings_its_customer_the_certificate_and_one_activation(portal):
    order, code = await portal.sold()
    request = await portal.request_of(code)

    end = await portal.post(request)

    assert end.is_done, end
    [(to, said)] = portal.sent(request)
    assert (await portal.customer_address(order), [COMPUTER]) == (to, await portal.computers(code))
    assert (code, COMPUTER, True) == (
        said["license"],
        said["computer"],
        is_certificate(said["certificate"]),
    )
    assert 1 == len(portal.notes_about(code, "Activated offline"))
    assert said["certificate"] not in str(end)


async def test_the_same_request_posted_again_brings_the_same_certificate_and_no_second_activation(portal):
    _, code = await portal.sold()
    request = await portal.request_of(code)
    again = request | {"request_id": uuid4().hex[:8]}

    ends = [await portal.post(each) for each in (request, request, again)]

    [(_, first)], [(_, second)] = portal.sent(request), portal.sent(again)
    asked = [each for each in portal.sandbox.zentitle.log.since(0) if each["verb"] == "GET"]
    activations = [each for each in asked if each["operation"] == "get_offline_activation"]
    assert [True] * 3 == [end.is_done for end in ends]
    assert (first["certificate"], [COMPUTER], 1) == (
        second["certificate"],
        await portal.computers(code),
        len(activations),
    )
    assert 1 == len(portal.notes_about(code, "Activated offline"))


@pytest.mark.parametrize("kind", ["lose", "late"])
async def test_a_lost_answer_of_zentitle_costs_no_second_activation(portal, kind):
    _, code = await portal.sold()
    request = await portal.request_of(code)
    portal.sandbox.zentitle.faults.add("get_offline_activation", kind, seconds=0.3)

    end = await portal.post(request)

    assert end.is_done, end
    assert (1, [COMPUTER]) == (len(portal.sent(request)), await portal.computers(code))


async def test_a_form_with_the_request_as_a_file_whose_lines_are_wrapped_is_taken(portal):
    _, code = await portal.sold()
    request = await portal.request_of(code)
    text = request.pop("certificate")
    wrapped = "\r\n".join(text[each : each + 76] for each in range(0, len(text), 76))
    fields = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in request.items()
    ]
    file = f'Content-Disposition: form-data; name="certificate"; filename="request.txt"\r\n\r\n{wrapped}'
    body = "".join(f"--{BOUNDARY}\r\n{part}\r\n" for part in [*fields, file]) + f"--{BOUNDARY}--\r\n"

    end = await portal.post(body.encode(), f"multipart/form-data; boundary={BOUNDARY}")

    assert end.is_done, end
    assert 1 == len(portal.sent(request))


# What is wrong with what was posted: for the one who asks ----------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        ({"license_code": ""}, "The license code is missing"),
        ({"license_code": None}, "The license code is missing"),
        ({"license_code": ["1"]}, "The license code is missing"),
        ({"license_code": "<a href=x>"}, "The license code is missing"),
        ({"license_code": "100000000000000001"}, "There is no such license of this product"),
        ({"computer_id": ""}, "The computer's id is missing"),
        ({"computer_id": "x" * 65}, "The computer's id is missing"),
        ({"certificate": ""}, "The certificate request is missing"),
        ({"certificate": "d080"}, "The certificate request is not whole"),
        ({"certificate": "d0 " * 40_000}, "The certificate request is not whole"),
        ({"certificate": "<script>" * 20}, "The certificate request is not whole"),
        ({"product_id": ""}, "The product is missing"),
        ({"product_id": "3659410102"}, "The product is missing"),
        ({"product_id": TEAM}, "There is no such license of this product"),
    ],
    ids=str,
)
async def test_a_bad_request_is_answered_to_the_one_who_asks_and_activates_nothing(portal, wrong, answer):
    order, code = await portal.sold()
    request = await portal.request_of(code) | wrong

    end = await portal.post(request)

    [(to, said)] = portal.sent(request)
    assert ("Declined", request["email"]) == (end.state.name, to)
    assert answer in said["reason"]
    assert answer in said["body"]
    assert "" == said["license"]
    assert await portal.customer_address(order) not in f"{said}{end}"
    assert [] == await portal.computers(code)


@pytest.mark.parametrize("email", ["", "nobody", "a@b@c", "x y@z.example", None, 7])
async def test_without_a_valid_address_a_bad_request_is_answered_in_the_inbox_alone(portal, email):
    _, code = await portal.sold()
    request = await portal.request_of(code) | {"license_code": "", "email": email}

    end = await portal.post(request)

    assert ("Declined", []) == (end.state.name, portal.sent(request))
    assert "the request has no valid e-mail address" in end.state.message


async def test_somebody_whose_address_others_enter_gets_one_mail_a_day(portal):
    _, code = await portal.sold()
    ends, mails = [], []
    for _ in range(3):
        request = await portal.request_of(code) | {"license_code": "", "email": "Victim@customer.example"}
        ends.append(await portal.post(request))
        mails += portal.sent(request)

    assert ["Declined"] * 3 == [end.state.name for end in ends]
    assert (1, True) == (len(mails), "was sent one today already" in ends[-1].state.message)


async def test_a_code_that_was_never_sold_is_as_one_that_does_not_exist(portal):
    code = str(uuid4().int)[:18]
    async with portal.zentitle.get_client() as client:
        await client.create_license_codes(productid=PRO, licensecodes=code)
    request = await portal.request_of(code)

    await portal.post(request)

    [(_, said)] = portal.sent(request)
    assert "There is no such license of this product" in said["reason"]


# What is wrong with the license: for its customer alone ------------------------------------------------------


async def disabled(portal, code):
    await portal.change(code, enabledforuse=False)


async def ended(portal, code):
    await portal.change(code, licensetype="expirationdate", subscriptionenddate=day(-1))


async def used_up(portal, code):
    await portal.activate(code)


async def garbled(portal, code):
    """The request is one word, as a certificate is, and Zentitle cannot read it."""


@pytest.mark.parametrize(
    ("spoil", "answer"),
    [
        (disabled, "is disabled"),
        (ended, "has ended"),
        (used_up, "is in use on as many computers as it allows"),
        (garbled, "The certificate request is not accepted"),
    ],
    ids=["disabled", "ended", "used up", "garbled"],
)
async def test_what_is_wrong_with_a_license_is_told_to_its_customer_alone(portal, spoil, answer):
    order, code = await portal.sold("LIC-TEAM", 1)
    request = await portal.request_of(code)
    if spoil is garbled:
        request["certificate"] = "d0801330b069c8412918609af803a1d8d1f2e8d6"
    await spoil(portal, code)

    end = await portal.post(request)

    [(to, said)] = portal.sent(request)
    assert ("Declined", await portal.customer_address(order)) == (end.state.name, to)
    assert answer in said["reason"]
    assert COMPUTER not in await portal.computers(code, TEAM)


async def test_a_request_made_with_another_license_is_never_mailed_and_a_person_sees_it(portal):
    _, code = await portal.sold()
    _, other = await portal.sold()
    request = await portal.request_of(other) | {"license_code": code}

    end = await portal.post(request)

    assert (None, []) == (end.state, portal.sent(request))
    assert "is not active on the computer" in str(end.error)


async def test_a_license_whose_customer_has_no_valid_address_waits_for_a_person(portal):
    order, code = await portal.sold()
    await portal.address(order, "nobody")
    request = await portal.request_of(code)

    end = await portal.post(request)

    assert "Nothing was activated. Correct it in Jiwa" in str(end.error)
    assert ([], []) == (portal.sent(request), await portal.computers(code))


# The catalog -------------------------------------------------------------------------------------------------


async def test_the_catalog_may_send_it_to_the_one_who_asks(portal, catalog):
    catalog(send_to="requester")
    order, code = await portal.sold()
    requests = [
        await portal.request_of(code),
        await portal.request_of(code) | {"email": "not an address"},
    ]

    for request in requests:
        await portal.post(request)

    recipients = [portal.sent(request)[0][0] for request in requests]
    assert ["somebody@customer.example", await portal.customer_address(order)] == recipients


async def test_only_the_parts_of_the_catalog_are_activated_so(portal, catalog):
    catalog(parts=["LIC-TEAM"])
    _, code = await portal.sold()
    request = await portal.request_of(code)

    end = await portal.post(request)

    [(_, said)] = portal.sent(request)
    assert ("Declined", True) == (end.state.name, "The product is missing" in said["reason"])


async def test_without_its_part_of_the_catalog_nothing_is_done(portal, environment, repository):
    _, code = await portal.sold()
    environment.setenv("HOOKLINE_CATALOG", str(repository / "deployments/catalog.yaml"))
    settings.cache_clear()

    end = await portal.post(await portal.request_of(code))

    assert ("Switched off", []) == (end.state.name, await portal.computers(code))


def test_a_request_as_long_as_the_published_one_with_its_letters_is_taken_for_one():
    """Zentitle's page shows one of 13,461 characters, which is not hexadecimal throughout, and an answer of 1,946."""
    from flows.offline_requests import MAX_CERTIFICATE

    published = "d0801330" + "0" * 13_427 + "5e15e337aO425a525k2545mGt5"[:26]

    assert (13_461, True) == (len(published), is_certificate(published) and len(published) < MAX_CERTIFICATE)
    assert is_certificate("8595e2ec" * 243 + "d6")
