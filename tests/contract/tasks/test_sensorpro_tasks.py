"""Sensorpro's contacts are looked for; its mails and imports cannot be, and a person decides."""

import pytest
from writes import ReadBack, SentBlindly, Vendor, Write

from hookline.clients import Refused, VendorError, operations
from hookline.clients.sensorpro import SensorproClient
from hookline.journal import EffectConflict
from hookline.simulators.sensorpro.campaigns import CAMPAIGN
from hookline.simulators.sensorpro.imports import FILE
from tasks import sensorpro as tasks

IRIS, PAT, KIM = "accounts@baxterlowe.example", "pat@firm.example", "kim@firm.example"


@pytest.fixture
async def vendor(sandbox, sensorpro):
    """Sensorpro, signed in: a fault then strikes the call itself, and not one with a token of the test before."""
    async with sensorpro.get_client() as client:
        await client.get_contacts(PersonalEMail=IRIS)
    return Vendor(tasks, sensorpro, sandbox.sensorpro)


# What each write needs there --------------------------------------------------------------------------------


async def new_contacts(_client):
    return {"Contact": [{"PersonalEMail": PAT}, {"PersonalEMail": KIM.title()}], "AddToList": ["Garages"]}


def contacts(simulator, inputs):
    """Counts the batches that are there."""
    addresses = {each["PersonalEMail"].lower() for each in inputs["Contact"]}
    there = {each["PersonalEMail"].lower() for each in simulator.records()["contacts"]}
    return int(addresses <= there)


async def one_contact(_client):
    return {"PersonalEMail": IRIS.upper(), "for_good": True}


def with_address(simulator, inputs):
    address = inputs["PersonalEMail"].lower()
    return sum(each["PersonalEMail"].lower() == address for each in simulator.records()["contacts"])


async def stored_mail(_client):
    contact = {"PersonalEMail": IRIS}
    return {
        "CampId": CAMPAIGN,
        "BroadcastId": 1,
        "ContactData": contact,
        "NamedPairsParameters": {"order": "7"},
    }


async def whole_mail(_client):
    return {
        "From": {"Email": KIM},
        "To": [{"Email": IRIS}],
        "Subject": "Your order",
        "PlainTextMessage": "Hello",
    }


def mails(simulator, _inputs):
    return len(simulator.records()["mails"])


async def broadcast(_client):
    return {"CampaignId": 51, "DesignId": 11, "SegmentId": 21, "mass_send": True}


def broadcasts(simulator, _inputs):
    return len(simulator.records()["broadcasts"])


async def ftp_import(_client):
    site = {
        "FTPSite": "ftp.firm.example",
        "FTPUser": "firm",
        "FTPPwd": "the-ftp-password",
        "FTPFileName": FILE,
    }
    fields = [{"FromField": "Email", "ToField": "personalemail"}]
    definition = {"ImportData": {"Name": "garages"}, "FTPConfiguration": site, "FieldMap": fields}
    return {"Tag": "Garages", "ImportDefinition": definition}


def imports(simulator, _inputs):
    return len(simulator.records()["imports"])


READ_BACK = [
    Write("add_contacts", new_contacts, contacts),
    Write("forget_contact", one_contact, with_address),
]
BLIND = [
    Write("trigger_email", stored_mail, mails),
    Write("send_email", whole_mail, mails),
    Write("add_broadcast", broadcast, broadcasts),
    Write("execute_ftp_import", ftp_import, imports),
]


@pytest.mark.parametrize(("repeat", "writes"), [("readback", READ_BACK), ("never", BLIND)])
def test_every_write_is_tested(repeat, writes):
    declared = [name for name, each in operations(SensorproClient).items() if each.repeat == repeat]

    assert declared == [write.operation for write in writes]


@pytest.mark.parametrize("write", READ_BACK, ids=str)
class TestLookedFor(ReadBack):
    """Sensorpro's contacts."""


@pytest.mark.parametrize("write", BLIND, ids=str)
class TestSentBlindly(SentBlindly):
    """Sensorpro's mails and imports."""


# Contacts ---------------------------------------------------------------------------------------------------


async def failed(vendor, operation, business, inputs):
    """The vendor fails before it does anything, which nobody can know."""
    vendor.misbehave(operation, "refuse", status=503)
    with pytest.raises(VendorError):
        await vendor.call(operation, business, inputs)


@pytest.mark.parametrize("there", [[PAT], [PAT, KIM]], ids=["one", "both"])
async def test_contacts_that_others_added_are_not_taken_for_ours(vendor, business, there):
    """They lack the tag: all are sent, and those that exist are told as rows."""
    inputs = await new_contacts(None)
    await failed(vendor, "add_contacts", business, inputs)
    async with vendor.credentials.get_client() as client:
        await client.add_contacts(Contact=[{"PersonalEMail": each} for each in there])

    with pytest.raises(Refused) as refused:
        await vendor.call("add_contacts", business, inputs)

    assert list(range(len(there))) == [row["Sequence"] for row in refused.value.rows]
    assert contacts(vendor.simulator, inputs)


async def test_whoever_sensorpro_finds_for_an_address_a_contact_is_forgotten_only_where_nobody_is(
    vendor, business, monkeypatch
):
    """How it filters is not documented: it might answer everybody."""
    inputs = await one_contact(None)
    await failed(vendor, "forget_contact", business, inputs)
    monkeypatch.setattr(vendor.simulator, "_found", lambda _body: vendor.simulator.contacts()[1:])

    await vendor.call("forget_contact", business, inputs)

    assert (0, 2) == (with_address(vendor.simulator, inputs), vendor.sent("forget_contact"))


# Mails and imports ------------------------------------------------------------------------------------------


async def test_a_mail_to_a_mended_address_is_the_same_mail(vendor, business):
    inputs = await whole_mail(None)
    await vendor.call("send_email", business, inputs)

    await vendor.call("send_email", business, inputs | {"To": [{"Email": PAT}], "PlainTextMessage": "Hi"})

    assert 1 == mails(vendor.simulator, inputs)


async def test_a_mail_on_another_subject_is_another_mail(vendor, business):
    inputs = await whole_mail(None)
    await vendor.call("send_email", business, inputs)

    await vendor.call("send_email", business, inputs | {"Subject": "Your invoice"})

    assert 2 == mails(vendor.simulator, inputs)


async def test_the_journal_holds_no_password_of_an_import(vendor, business, database):
    await vendor.call("execute_ftp_import", business, await ftp_import(None))

    [kept] = await database.fetch("SELECT * FROM effects")
    assert ("execute ftp import of Garages", []) == (kept["step"], kept["reference"])
    assert "ftp.firm.example" in str(kept["request"])
    assert "the-ftp-password" not in str(dict(kept))


async def test_another_import_of_the_same_step_is_refused(vendor, business):
    await vendor.call("execute_ftp_import", business, {"Tag": "Customers"})

    with pytest.raises(EffectConflict, match="ImportDefinition"):
        await vendor.call("execute_ftp_import", business, await ftp_import(None) | {"Tag": "Customers"})
