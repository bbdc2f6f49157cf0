"""A trial that ends soon and became no license brings its user one mail, unless he wants none."""

import pytest
from credited_orders import write_catalog
from tried_products import PRO, SERVER, TRIALS, VIEWER, Trials, day

from hookline.journal.resolution import resolve
from hookline.settings import settings


@pytest.fixture
def catalog(environment, repository, tmp_path):
    """Write catalog.yaml with the settings of trials changed."""

    def change(**fields):
        trials = None if fields.get("products", ...) is None else TRIALS | fields
        write_catalog(environment, repository, tmp_path / "catalog.yaml", trials=trials)

    change()
    return change


@pytest.fixture
def firm(shop, zentitle, sensorpro, catalog):
    return Trials(shop, zentitle, sensorpro)


@pytest.fixture
def spoken(firm):
    """Let a vendor speak a dialect, where the dialect of the session is another."""

    def speak(vendor, **variants):
        getattr(firm.sandbox, vendor).dialect.speak(
            {name.replace("_", "-"): variant for name, variant in variants.items()}
        )

    return speak


async def test_the_user_of_a_trial_that_ends_soon_becomes_a_tagged_contact_and_gets_a_mail(firm):
    _, email = await firm.trial(5, firstname="Ines", lastname="Calder")

    end = await firm.nurture()

    contact = firm.known(email)
    assert end.is_done, end
    assert [f"Draftline Pro until {day(5)}"] == firm.mailed(email)
    assert (["trial-ends"], "Ines", "Calder", False) == tuple(
        contact[name] for name in ("Tags", "FirstName", "LastName", "OptOut")
    )


async def test_it_gets_one_mail_for_each_end_however_often_it_runs_and_whatever_n_is(firm, catalog):
    computer, email = await firm.trial(5)
    ends = [await firm.nurture(), await firm.nurture()]
    catalog(days=20)
    ends.append(await firm.nurture())
    once = firm.mailed(email)
    await firm.begin_again(computer, 6)

    await firm.nurture()

    assert "Completed" == ends[0].state.name
    assert [f"Draftline Pro until {day(5)}"] == once
    assert [f"Draftline Pro until {day(5)}", f"Draftline Pro until {day(6)}"] == firm.mailed(email)


@pytest.mark.parametrize(("ends_in", "expected"), [(8, 0), (7, 1), (1, 1), (0, 0), (-1, 0)])
async def test_only_a_trial_that_runs_and_ends_within_the_days_of_the_catalog_counts(firm, ends_in, expected):
    _, email = await firm.trial(ends_in)

    await firm.nurture()

    assert expected == len(firm.mailed(email))


async def test_a_product_that_the_catalog_does_not_name_is_left_alone(firm):
    _, email = await firm.trial(5, product=VIEWER)

    await firm.nurture()

    assert ([], None) == (firm.mailed(email), firm.known(email))


# Who has bought ---------------------------------------------------------------------------------------------


async def test_an_address_with_a_license_on_another_computer_gets_none(firm):
    _, email = await firm.trial(5, email="Ines@Calder.example")
    await firm.licensed("ines@calder.example")

    await firm.nurture()

    assert ([], None) == (firm.mailed(email), firm.known(email))


async def test_a_customer_whose_order_was_licensed_gets_none(firm):
    order = await firm.shop.paid_order(("LIC-PRO", 1))
    assert (await firm.shop.run(order)).is_done
    await firm.trial(5, email=f"{order.DebtorAccountNo}@customer.example")
    before = len(firm.sandbox.sensorpro.records()["mails"])

    await firm.nurture()

    assert before == len(firm.sandbox.sensorpro.records()["mails"])


@pytest.mark.parametrize(
    "terms",
    [
        {"enabledforuse": False},
        {"licensetype": "expirationdate", "subscriptionenddate": day(-1)},
    ],
    ids=["disabled", "ended"],
)
async def test_a_license_that_is_disabled_or_has_ended_is_none(firm, terms):
    _, email = await firm.trial(5)
    await firm.licensed(email, **terms)

    await firm.nurture()

    assert 1 == len(firm.mailed(email))


async def test_a_license_of_another_product_does_not_count(firm):
    _, email = await firm.trial(5)
    await firm.licensed(email, product=SERVER)

    await firm.nurture()

    assert 1 == len(firm.mailed(email))


# Who is not mailed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["refused", "dropped"])
async def test_a_contact_that_has_opted_out_gets_none_and_is_not_touched(firm, spoken, variant):
    spoken("sensorpro", opted_out_shown="shown", opted_out_mail=variant)
    _, email = await firm.trial(5, firstname="Other")
    await firm.contact(email, opted_out=True, FirstName="Ines", LastName="Calder")
    before = firm.known(email)

    ends = [await firm.nurture(), await firm.nurture()]

    assert f"the trial of Draftline Pro on {email[:20]} of {email}: no mail: the contact has opted out" in (
        ends[0].state.message
    )
    assert "Completed" == ends[0].state.name
    assert email not in str(ends[1].state.message)
    assert ([], before) == (firm.mailed(email), firm.known(email))


async def test_a_contact_of_which_nobody_can_know_if_it_opted_out_gets_none(firm, spoken):
    spoken("sensorpro", opted_out_shown="hidden")
    _, known = await firm.trial(5)
    _, new = await firm.trial(5)
    await firm.contact(known)

    end = await firm.nurture()

    assert "Sensorpro does not show if the contact has opted out" in end.state.message
    assert ([], 1) == (firm.mailed(known), len(firm.mailed(new)))


@pytest.mark.parametrize(
    ("email", "reason"),
    [("", "no mail: nobody left an address"), ("ines at calder", "no mail: that is no e-mail address")],
)
async def test_without_an_address_nobody_is_mailed_until_there_is_one(firm, email, reason):
    computer, _ = await firm.trial(5, email=email)
    end = await firm.nurture()
    await firm.says(computer, email="ines@calder.example")

    await firm.nurture()

    assert ("Completed", True) == (end.state.name, reason in end.state.message)
    assert 1 == len(firm.mailed("ines@calder.example"))


async def test_the_address_that_was_entered_last_counts(firm):
    computer, old = await firm.trial(5)
    await firm.says(computer, email="new@try.example")
    await firm.says(computer, firstname="Ines")

    await firm.nurture()

    assert ([], 1) == (firm.mailed(old), len(firm.mailed("new@try.example")))


async def test_another_address_later_brings_no_second_mail(firm):
    computer, email = await firm.trial(5)
    await firm.nurture()
    await firm.says(computer, email="new@try.example")

    await firm.nurture()

    assert (1, []) == (len(firm.mailed(email)), firm.mailed("new@try.example"))


# Contacts ---------------------------------------------------------------------------------------------------


async def test_several_trials_of_one_address_are_named_in_one_mail(firm):
    for product, ends_in, email in [
        (PRO, 5, "a@try.example"),
        (PRO, 5, "A@try.example"),
        (SERVER, 3, "a@try.example"),
    ]:
        await firm.trial(ends_in, product=product, email=email)

    ends = [await firm.nurture(), await firm.nurture()]

    [mail] = firm.mailed("a@try.example")
    assert {f"Draftline Pro until {day(5)}", f"Draftline Server until {day(3)}"} == set(mail.split("\n"))
    assert ends[0].is_done


async def test_a_name_that_sensorpro_has_is_not_overwritten(firm):
    _, email = await firm.trial(5, firstname="ines", lastname="Calder")
    await firm.contact(email, FirstName="Ines Maria")

    await firm.nurture()

    contact = firm.known(email)
    assert ("Ines Maria", "Calder", 1) == (contact["FirstName"], contact["LastName"], len(firm.mailed(email)))


@pytest.mark.parametrize(("variant", "tags"), [("kept", []), ("added", ["trial-ends"])])
async def test_a_contact_that_does_not_get_the_tag_is_mailed_and_it_is_said(firm, spoken, variant, tags):
    spoken("sensorpro", tags_of_known_contacts=variant, opted_out_shown="shown")
    _, email = await firm.trial(5)
    await firm.contact(email)

    end = await firm.nurture()

    assert (tags, 1) == (firm.known(email)["Tags"], len(firm.mailed(email)))
    assert (not tags) == ("Sensorpro did not add the tag" in end.state.message)


# What fails -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["upsert_contacts", "get_contacts", "trigger_email"])
async def test_what_is_refused_stops_no_other_and_is_tried_again(firm, operation):
    _, first = await firm.trial(5)
    _, second = await firm.trial(5)
    firm.sandbox.sensorpro.faults.add(operation, "refuse", status=403)

    ends = [await firm.nurture(), await firm.nurture()]

    assert ["Failed", "Completed"] == [end.state.name for end in ends]
    assert (1, 1) == (len(firm.mailed(first)), len(firm.mailed(second)))


async def test_a_mail_whose_answer_is_lost_waits_for_a_person_and_is_not_sent_again(firm, database):
    _, email = await firm.trial(5)
    firm.sandbox.sensorpro.faults.add("trigger_email", "lose")
    ends = [await firm.nurture(), await firm.nurture()]
    effect = await database.fetchval("SELECT id FROM effects WHERE state = 'uncertain'")
    await resolve(settings(), effect, happened=True, reference=[], actor="ann")

    after = await firm.nurture()

    assert ["Failed", "Failed"] == [end.state.name for end in ends]
    assert "It is not known whether this happened" in ends[1].state.message
    assert (1, False) == (len(firm.mailed(email)), email in str(after.state.message))


async def test_a_trial_that_comes_beside_one_whose_mail_is_uncertain_gets_a_mail_of_its_own(firm):
    await firm.trial(5, email="a@try.example")
    firm.sandbox.sensorpro.faults.add("trigger_email", "lose")
    await firm.nurture()
    await firm.trial(3, product=SERVER, email="a@try.example")

    ends = [await firm.nurture(), await firm.nurture()]

    assert 1 == firm.mailed("a@try.example").count(f"Draftline Server until {day(3)}")
    assert firm.mailed("a@try.example").count(f"Draftline Pro until {day(5)}") <= 1
    assert "It is not known whether this happened" in ends[1].state.message


async def test_a_run_that_was_broken_off_after_the_mail_was_chosen_sends_it_once(firm, database):
    _, email = await firm.trial(5)
    firm.sandbox.sensorpro.faults.add("trigger_email", "refuse", status=403)
    await firm.nurture()
    chosen = await database.fetch("SELECT reference FROM effects WHERE step = 'named in'")
    await firm.trial(4, product=SERVER, email=email)

    await firm.nurture()

    [mail] = firm.mailed(email)
    assert {f"Draftline Pro until {day(5)}", f"Draftline Server until {day(4)}"} == set(mail.split("\n"))
    assert 1 == len(chosen)


async def test_a_trial_that_is_bought_while_the_flow_runs_gets_none(firm):
    computer, email = await firm.trial(5)
    async with firm.zentitle.get_client() as client:
        await client.delete_trial(productid=PRO, computerid=computer)

    end = await firm.nurture()

    assert [] == firm.mailed(email)
    assert email not in str(end.state.message)


async def test_without_trials_in_the_catalog_nothing_is_done(firm, catalog):
    _, email = await firm.trial(5)
    catalog(products=None)

    end = await firm.nurture()

    assert ("Switched off", []) == (end.state.name, firm.mailed(email))
