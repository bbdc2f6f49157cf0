"""Jifeline's operations against its simulator."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from hookline.clients import (
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
    "list_connectors": "get_connector",
    "list_products": "get_product",
    "list_providers": "get_provider",
    "list_vehicles": "get_vehicle",
}


async def customer_named(jifeline, name):
    [customer] = (await jifeline.list_customers(name=name)).result
    return customer


async def session_that_is(jifeline, state):
    [session] = (await jifeline.list_openobd_sessions(state=state)).result
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

    assert (of_all.result, of_all.total) == (of_these.result, of_these.total)
    assert {state} == {ticket.state for ticket in of_these.result}


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

    assert (made.id, "prepared", False) == (found.id, found.state, made.unfinished)
    assert (vehicle.vin, "AB12", vehicle.vehicle_model_id) == (
        found.vin,
        found.voucher_code,
        found.vehicle_model_id,
    )


async def test_a_closed_ticket_tells_what_was_done(sandbox, jifeline):
    ticket = sandbox.jifeline.create_ticket("3001")
    sandbox.jifeline.close_ticket(
        ticket["id"],
        [{"product": "DIAG-INIT", "quantity": 2}, {"product": "DIAG-CODE", "price": None}],
    )

    [read] = (await jifeline.list_closed_tickets(ticket_number=ticket["ticket_number"])).result

    first, second = read.product_lines
    assert (Decimal(2), Decimal(85), None) == (first.quantity, first.price, second.price)
    assert (first.name, Decimal(85)) == (
        (product := await jifeline.get_product(id=first.product_id)).name,
        product.price,
    )
    assert read == await jifeline.get_ticket(id=read.id)


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
    tickets = (await jifeline.list_closed_tickets()).result
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


async def test_a_customer_tells_where_it_is_and_the_partners_number_of_it(jifeline):
    customer = await customer_named(jifeline, "Elm Street Motors")

    assert ("3002", "Utrecht", "203b") == (
        customer.debtor_number,
        customer.address.city,
        customer.address.house_number,
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

    assert by_plate == by_vin
    assert ("Corvo 1.2", "Bellamy") == (model.name, model.make_name)


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


@pytest.mark.parametrize("operation", [*THINGS.values(), "get_openobd_session", "interrupt_openobd_session"])
async def test_what_is_not_there_is_not_found(jifeline, operation):
    with pytest.raises(NotFound, match=NOBODY):
        await getattr(jifeline, operation)(id=NOBODY)


async def test_a_model_that_is_not_there_is_not_found(jifeline):
    with pytest.raises(NotFound):
        await jifeline.get_vehicle_model(id=1)


async def test_a_field_that_is_refused_is_named(jifeline):
    with pytest.raises(Refused, match="customer_id must be the id of a customer") as failure:
        await jifeline.create_prepared_ticket(customer_id=NOBODY)

    assert ["customer_id"] == [row["field"] for row in failure.value.rows]


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
