"""Jifeline's operations against its simulator."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from hookline.clients import (
    NotAuthenticated,
    NotFound,
    RateLimited,
    Refused,
    Unavailable,
    pages,
)

NOBODY = "00000000-0000-4000-8000-000000000000"
LISTS_PER_STATE = {
    "prepared": "list_prepared_tickets",
    "pending": "list_pending_tickets",
    "in_progress": "list_in_progress_tickets",
    "outsourced": "list_outsourced_tickets",
    "closed": "list_closed_tickets",
    "cancelled": "list_cancelled_tickets",
}
THINGS = {
    "list_tickets": "get_ticket",
    "list_customers": "get_customer",
    "list_locations": "get_location",
    "list_employees": "get_employee",
    "list_contact_points": "get_contact_point",
    "list_connectors": "get_connector",
    "list_products": "get_product",
    "list_providers": "get_provider",
    "list_vehicles": "get_vehicle",
    "list_vehicle_models": "get_vehicle_model",
    "list_vehicle_makes": "get_vehicle_make",
}
BY_NUMBER = {"get_vehicle_model", "get_vehicle_make"}


async def customer_named(jifeline, name):
    [customer] = [each async for each in pages(jifeline.list_customers) if each.company_name == name]
    return customer


async def session_that_is(jifeline, state):
    [session] = [each async for each in pages(jifeline.list_openobd_sessions) if each.state == state]
    return session


# Tokens -----------------------------------------------------------------------------------------------------


async def test_a_token_by_hand_is_the_one_in_use(jifeline):
    first, second = await jifeline.fetch_token(), await jifeline.fetch_token()

    assert (3600, "Bearer", first.access_token) == (first.expires_in, first.token_type, second.access_token)


async def test_tokens_may_come_from_another_address(sandbox, clients, open_clients):
    auth = {"token_url": f"{sandbox.jifeline.url}/oauth2/token"}
    client = await open_clients(clients.jifeline(sandbox, **auth))

    assert (await client.list_tickets()).total


# Tickets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "operation"), LISTS_PER_STATE.items(), ids=LISTS_PER_STATE)
async def test_tickets_are_listed_by_their_state(jifeline, state, operation):
    of_all = await jifeline.list_tickets(state=state)
    of_these = await getattr(jifeline, operation)()

    assert {state} == {ticket.state for ticket in of_all.result}
    assert ([each.id for each in of_all.result], of_all.total) == (
        [each.id for each in of_these.result],
        of_these.total,
    )


async def test_a_ticket_is_prepared_and_found_by_our_reference(sandbox, jifeline):
    started = datetime.now(UTC) - timedelta(minutes=1)
    customer = await customer_named(jifeline, "Mill Road Garage")
    vehicle = (await jifeline.list_vehicles()).result[0]
    model = await jifeline.get_vehicle_model(id=vehicle.vehicle_model_id)
    made = await jifeline.create_prepared_ticket(
        customer_id=customer.id,
        vehicle_model_id=model.id,
        vin=vehicle.vin,
        voucher_code="AB12",
        preparer_external_reference="order 100123",
    )

    candidates = await jifeline.list_prepared_tickets(customer_id=customer.id, created_after=started)
    [found] = [each for each in candidates.result if each.preparer_external_reference == "order 100123"]

    assert (made.id, False) == (found.id, made.unfinished)
    assert (vehicle.vin, "AB12", vehicle.vehicle_model_id) == (
        found.vin,
        found.voucher_code,
        found.vehicle_model_id,
    )


async def test_the_product_lines_of_a_ticket_tell_what_was_done(sandbox, jifeline):
    ticket = sandbox.jifeline.create_ticket("3001")
    sandbox.jifeline.close_ticket(
        ticket["id"], [{"product": "DIAG-INIT", "quantity": 2}, {"product": "DIAG-CODE", "price": 99.5}]
    )

    [read] = (await jifeline.list_closed_tickets(ticket_number=ticket["ticket_number"])).result
    first, second = (await jifeline.list_product_lines(ticket_id=read.id)).result

    assert (2, Decimal(85), Decimal(170), "EUR") == (
        first.quantity,
        first.unit_gross_price.amount,
        first.gross_price.amount,
        first.gross_price.currency,
    )
    assert (1, Decimal("99.5")) == (second.quantity, second.unit_gross_price.amount)
    assert ["Initialise trailer module", "Code a control unit"] == [
        (await jifeline.get_product(id=line.product_id)).name for line in (first, second)
    ]


async def test_a_ticket_that_is_marked_leaves_the_list_of_those_to_do(jifeline):
    todo = await jifeline.list_closed_tickets(externally_processed=False)
    ticket = todo.result[0]
    marked = await jifeline.mark_ticket_processed(
        id=ticket.id, external_reference="invoice 7", externally_processed=True
    )

    left = await jifeline.list_closed_tickets(externally_processed=False)

    assert ("invoice 7", True, False) == (
        marked.external_reference,
        marked.externally_processed,
        marked.unfinished,
    )
    assert (todo.total - 1, False) == (left.total, ticket.id in [each.id for each in left.result])


async def test_a_mark_leaves_the_other_mark_alone(jifeline):
    ticket = (await jifeline.list_closed_tickets(externally_processed=False)).result[0]
    await jifeline.mark_ticket_processed(id=ticket.id, external_reference="invoice 7")
    await jifeline.mark_ticket_processed(id=ticket.id, externally_processed=True)

    read = await jifeline.get_ticket(id=ticket.id)

    assert ("invoice 7", True) == (read.external_reference, read.externally_processed)


async def test_tickets_are_filtered_by_when_they_ended(jifeline):
    everything = await jifeline.list_closed_tickets()
    [first, second, *_] = sorted(each.finished_at for each in everything.result)

    later = await jifeline.list_closed_tickets(finished_after=first)
    earlier = await jifeline.list_closed_tickets(finished_before=second)

    assert (everything.total - 1, 1) == (later.total, earlier.total)


async def test_the_chat_of_a_ticket_is_read(jifeline):
    tickets = (await jifeline.list_tickets(state="closed")).result
    talks = [
        [each async for each in pages(jifeline.list_channel_messages, channel_id=ticket.customer_channel_id)]
        for ticket in tickets
    ]

    [talk] = [each for each in talks if each]
    assert (5, {"text", "attachment"}) == (len(talk), {message.type for message in talk})
    assert ["towbar.jpg"] == [message.attachment["name"] for message in talk if message.attachment]
    assert {"customer", "operator"} == {message.sender["type"] for message in talk}


# Other lists and things -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("listing", "reading"), THINGS.items(), ids=THINGS)
async def test_each_thing_that_is_listed_can_be_read(jifeline, listing, reading):
    rows = (await getattr(jifeline, listing)()).result

    read = [await getattr(jifeline, reading)(id=row.id) for row in rows]

    assert rows == read
    assert rows


@pytest.mark.parametrize(("listing", "reading"), THINGS.items(), ids=THINGS)
async def test_a_list_is_the_same_in_pages_of_any_size(jifeline, monkeypatch, listing, reading):
    call = getattr(jifeline, listing)
    whole = (await call(limit=1000)).result
    monkeypatch.setattr(call.operation.input, "page_size", 2)

    assert whole == [row async for row in pages(call)]


async def test_a_count_alone_may_be_asked_for(jifeline):
    page = await jifeline.list_tickets(limit=0)

    assert ([], True) == (page.result, page.total > 0)


async def test_a_customer_is_found_where_it_is_and_by_whom_it_is_reached(jifeline):
    customer = await customer_named(jifeline, "Elm Street Motors")
    place = await jifeline.get_location(id=customer.primary_location_id)
    points = (await jifeline.list_contact_points(customer_id=customer.id)).result
    people = (await jifeline.list_employees(customer_id=customer.id)).result

    assert ("3002", "Utrecht", "203b") == (customer.reference, place.city, place.number)
    assert ["workshop@elmstreetmotors.example", ""] == [point.email_address for point in points]
    assert [("Dee", "")] == [(person.given_name, person.contact_point_id) for person in people]


async def test_people_who_are_not_enabled_are_listed_when_they_are_asked_for(jifeline):
    customer = await customer_named(jifeline, "Mill Road Garage")

    usual = await jifeline.list_employees(customer_id=customer.id)
    others = await jifeline.list_employees(customer_id=customer.id, enabled=False)

    assert (["Ann", "Bas"], ["Cor"]) == (
        [person.given_name for person in usual.result],
        [person.given_name for person in others.result],
    )


async def test_connectors_are_filtered(jifeline):
    customer = await customer_named(jifeline, "Elm Street Motors")
    theirs = await jifeline.list_connectors(customer_id=customer.id, type="physical")
    free = await jifeline.list_connectors(assigned=False)

    assert (["24102"], ["24977"]) == (
        [each.name for each in theirs.result],
        [each.name for each in free.result],
    )
    assert 5 == len(theirs.result[0].pin.get_secret_value())


async def test_a_vehicle_is_found_by_its_number_plate_or_vin(jifeline):
    [by_plate] = (await jifeline.list_vehicles(license_plate="L-955-ZT")).result
    [by_vin] = (await jifeline.list_vehicles(vin="YBLCV12A9MB003381")).result

    model = await jifeline.get_vehicle_model(id=by_vin.vehicle_model_id)
    make = await jifeline.get_vehicle_make(id=model.make_id)

    assert by_plate == by_vin
    assert ("Corvo 1.2", "Bellamy") == (model.name, make.name)


async def test_models_are_listed_by_their_make(jifeline):
    models = (await jifeline.list_vehicle_models(make_id=51)).result

    assert ["Trek 2.0", "Trek Estate"] == [model.name for model in models]


async def test_a_product_is_found_by_its_number(jifeline):
    [product] = (await jifeline.list_products(product_number="DIAG-CALIB")).result

    assert ("Calibrate a camera", "custom") == (product.name, product.type)


# openOBD sessions -------------------------------------------------------------------------------------------


async def test_a_session_that_runs_is_interrupted_a_little_later(jifeline):
    session = await session_that_is(jifeline, "active")

    reported = await jifeline.interrupt_openobd_session(id=session.id)
    states = [(await jifeline.get_openobd_session(id=session.id)).state for _ in range(2)]

    assert (True, "") == (reported.unfinished, reported.id)
    assert ["active", "interrupted"] == states


async def test_a_session_that_waits_is_interrupted_at_once(jifeline):
    session = await session_that_is(jifeline, "available")

    reported = await jifeline.interrupt_openobd_session(id=session.id)

    assert (False, session.id, "interrupted") == (reported.unfinished, reported.id, reported.state)
    assert session.authentication_token.get_secret_value()


async def test_a_session_that_has_ended_cannot_be_interrupted(jifeline):
    session = await session_that_is(jifeline, "finished")

    with pytest.raises(Refused, match="finished") as failure:
        await jifeline.interrupt_openobd_session(id=session.id)

    assert 409 == failure.value.status


# Events -----------------------------------------------------------------------------------------------------


async def test_the_feed_is_followed_from_where_it_was_left(sandbox, jifeline, monkeypatch):
    monkeypatch.setattr(jifeline.list_system_events.operation.input, "page_size", 2)
    before = [event async for event in pages(jifeline.list_system_events)]
    ticket = sandbox.jifeline.create_ticket("3001")
    sandbox.jifeline.close_ticket(ticket["id"], [{"product": "DIAG-INIT"}])

    after = [event async for event in pages(jifeline.list_system_events, after_id=before[-1].id)]

    assert sorted({event.id for event in before}) == [event.id for event in before]
    assert ["created", "product_added", "closed"] == [event.type.rpartition(".")[2] for event in after]
    assert {(ticket["id"], ticket["ticket_number"])} == {
        (event.payload.ticket.id, event.payload.ticket.ticket_number) for event in after
    }


async def test_the_feed_is_begun_at_a_moment(jifeline):
    everything = (await jifeline.list_system_events()).result
    created = (await jifeline.list_system_events(type="tickets.ticket.created")).result

    later = (await jifeline.list_system_events(occurred_after=everything[2].occurred_at)).result

    assert everything[3:] == later
    assert [event for event in everything if event.type == "tickets.ticket.created"] == created


# Unhappy answers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operation",
    [*sorted(set(THINGS.values()) - BY_NUMBER), "get_openobd_session", "interrupt_openobd_session"],
)
async def test_what_is_not_there_is_not_found(jifeline, operation):
    with pytest.raises(NotFound, match=NOBODY):
        await getattr(jifeline, operation)(id=NOBODY)


@pytest.mark.parametrize("operation", sorted(BY_NUMBER))
async def test_a_model_or_make_that_is_not_there_is_not_found(jifeline, operation):
    with pytest.raises(NotFound):
        await getattr(jifeline, operation)(id=1)


async def test_a_field_that_is_refused_is_named(sandbox, jifeline):
    sandbox.jifeline.dialect.speak({"refusal-rows": "rows"})

    with pytest.raises(Refused, match="customer_id must be the id of a customer") as failure:
        await jifeline.create_prepared_ticket(customer_id=NOBODY)

    assert ["customer_id"] == [row["field"] for row in failure.value.rows]


# Dialects ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["record", "empty", "accepted", "see-other"])
async def test_a_mark_is_made_however_it_is_answered(sandbox, jifeline, answer):
    sandbox.jifeline.dialect.speak({"mark-answer": answer})
    ticket = (await jifeline.list_closed_tickets(externally_processed=False)).result[0]

    marked = await jifeline.mark_ticket_processed(id=ticket.id, externally_processed=True)

    assert (answer == "accepted", True) == (
        marked.unfinished,
        (await jifeline.get_ticket(id=ticket.id)).externally_processed,
    )


@pytest.mark.parametrize("answer", ["record", "see-other"])
async def test_a_prepared_ticket_is_known_by_its_id_however_it_is_answered(sandbox, jifeline, answer):
    sandbox.jifeline.dialect.speak({"prepared-answer": answer})
    customer = await customer_named(jifeline, "Mill Road Garage")

    made = await jifeline.create_prepared_ticket(customer_id=customer.id, preparer_external_reference="7")

    assert "7" == (await jifeline.get_ticket(id=made.id)).preparer_external_reference


@pytest.mark.parametrize("status", ["unauthorized", "bad-request"])
async def test_a_wrong_client_is_not_let_in_by_whichever_status(sandbox, clients, open_clients, status):
    sandbox.jifeline.dialect.speak({"wrong-client": status})
    client = await open_clients(clients.jifeline(sandbox, "another-secret"))

    with pytest.raises(NotAuthenticated):
        await client.list_tickets()


async def test_a_filter_that_is_ignored_brings_the_others_too(sandbox, jifeline):
    sandbox.jifeline.dialect.speak({"product-lines-filter": "ignored", "closed-tickets-filters": "ignored"})
    ticket = (await jifeline.list_closed_tickets()).result[0]

    lines = (await jifeline.list_product_lines(ticket_id=ticket.id)).result
    closed = (await jifeline.list_closed_tickets(finished_after=datetime.now(UTC))).result

    assert (3, 3) == (len({line.ticket_id for line in lines}), len(closed))


@pytest.mark.parametrize("seed", range(12))
async def test_the_records_are_the_same_in_every_dialect(sandbox, jifeline, seed):
    usual = [(await getattr(jifeline, listing)()).result for listing in [*THINGS, *LISTS_PER_STATE.values()]]
    sandbox.jifeline.dialect.draw(seed)

    read = [(await getattr(jifeline, listing)()).result for listing in [*THINGS, *LISTS_PER_STATE.values()]]

    assert usual == read


async def test_a_prepared_ticket_that_met_a_fault_may_exist(sandbox, jifeline):
    customer = await customer_named(jifeline, "Mill Road Garage")
    sandbox.jifeline.faults.add("create_prepared_ticket", "refuse", status=500)

    with pytest.raises(Unavailable) as failure:
        await jifeline.create_prepared_ticket(customer_id=customer.id)

    assert failure.value.maybe_applied


async def test_a_vendor_that_asks_to_wait_is_obeyed_by_the_caller(sandbox, jifeline):
    sandbox.jifeline.faults.add("list_tickets", "throttle", seconds=60)

    with pytest.raises(RateLimited) as failure:
        await jifeline.list_tickets()

    assert 60 == failure.value.retry_after
