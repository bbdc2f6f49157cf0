"""Jiwa's webhooks, sent to a receiver on a real socket."""

import asyncio
import json
from collections import deque
from datetime import datetime, timedelta

import httpx
import pytest

from hookline.simulators import Sandbox, running
from hookline.simulators.jiwa import JiwaSimulator
from hookline.simulators.jiwa.webhooks import GIVEN_UP, SENT, WAITING, RetryPolicy

QUICK = RetryPolicy(first_wait=0.01, longest_wait=0.02, attempts=3, timeout=5)


class Receiver:
    """A receiver of webhooks; its next answers are in `answers`, else 202."""

    def __init__(self):
        self.url = ""
        self.received = asyncio.Queue()
        self.answers = deque()

    async def receive(self):
        """The next webhook: its headers and its document."""
        return await asyncio.wait_for(self.received.get(), 10)

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers["content-length"]))
        self.received.put_nowait((headers, json.loads(body)))
        status = self.answers.popleft() if self.answers else "202 Accepted"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def receiver():
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks/jiwa"
    async with server:
        yield receiver


@pytest.fixture(scope="module")
async def quick():
    """A sandbox whose Jiwa loses patience soon."""
    async with running(sandbox=Sandbox(jiwa=JiwaSimulator(retries=QUICK))) as sandbox:
        yield sandbox


@pytest.fixture
async def jiwa(quick):
    quick.reset()
    headers = {"Authorization": "Bearer sandbox-jiwa-key"}
    async with httpx.AsyncClient(base_url=quick.jiwa.url, headers=headers) as client:
        yield client


@pytest.fixture
async def subscriber(jiwa):
    """The address of an enabled subscriber."""
    added = (await jiwa.post("/Webhooks/Subscribers/", json={"Name": "Hookline", "IsEnabled": True})).json()
    return f"/Webhooks/Subscribers/{added['RecID']}"


@pytest.fixture
def subscribe(jiwa, subscriber, receiver):
    async def subscribe(event="salesorder.updated", **body):
        subscription = {"URL": receiver.url, "EventName": event} | body
        response = await jiwa.post(f"{subscriber}/Subscriptions/", json=subscription)
        assert 201 == response.status_code
        return f"{subscriber}/Subscriptions/{response.json()['RecID']}/"

    return subscribe


@pytest.fixture
async def order(jiwa):
    """An order made before anyone subscribed."""
    lines = [{"PartNo": "LIC-PRO", "QuantityOrdered": 1}]
    return (await jiwa.post("/SalesOrders", json={"DebtorAccountNo": "1001", "Lines": lines})).json()


def headers_of(subscription, name="RequestHeaders"):
    return [(each["Name"], each["Value"]) for each in subscription[name]]


async def messages(jiwa, subscriber):
    return (await jiwa.get(f"{subscriber}/Messages")).json()["Results"]


async def finished(jiwa, subscriber):
    """The messages once none is waiting."""
    for _ in range(1000):
        found = await messages(jiwa, subscriber)
        if all(each["Status"] != WAITING for each in found):
            break
        await asyncio.sleep(0.01)
    return found


async def answered(jiwa, subscription):
    """The subscription once a receiver has answered it."""
    for _ in range(1000):
        state = (await jiwa.get(subscription)).json()
        if "LastHTTPResponseCode" in state:
            break
        await asyncio.sleep(0.01)
    return state


def moment(written):
    """A DateTimeOffset read."""
    return datetime.fromisoformat(written)


async def note(jiwa, order, text="x"):
    return await jiwa.post(f"/SalesOrders/{order['InvoiceID']}/Notes", json={"NoteText": text})


async def test_a_new_order_is_sent_in_full_with_the_headers_of_the_subscription(jiwa, subscribe, receiver):
    await subscribe("salesorder.created", RequestHeaders=[{"Name": "X-Hookline-Key", "Value": "secret"}])
    order = (await jiwa.post("/SalesOrders", json={"DebtorAccountNo": "1001"})).json()

    headers, document = await receiver.receive()

    assert order == document
    assert ("secret", "application/json") == (headers["x-hookline-key"], headers["content-type"])


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ("PATCH", {"SOReference": "x"}),
        ("POST /Notes", {"NoteText": "x"}),
        ("POST /Historys/{history}/Lines", {"PartNo": "LBL-62"}),
        ("POST /Historys/{history}/Payments", {"AmountPaid": 1}),
        ("PATCH /CustomFieldValues/4f6a9c1e80b24d7f9a15", {"Contents": "x"}),
        ("GET /Process", None),
    ],
)
async def test_every_change_of_an_order_is_an_update(jiwa, subscribe, receiver, order, change, body):
    await subscribe()
    verb, _, path = change.format(history=order["Histories"][0]["InvoiceHistoryID"]).partition(" ")
    await jiwa.request(verb, f"/SalesOrders/{order['InvoiceID']}{path}", json=body)

    _, document = await receiver.receive()

    assert (await jiwa.get(f"/SalesOrders/{order['InvoiceID']}")).json() == document


@pytest.mark.parametrize(
    ("verb", "change"),
    [
        ("PATCH", "/Historys/{history}/Lines/{line}"),
        ("DELETE", "/Historys/{history}/Lines/{line}"),
    ],
)
async def test_every_change_of_a_line_is_an_update_of_its_order(
    jiwa, subscribe, receiver, order, verb, change
):
    await subscribe()
    history, line = order["Histories"][0]["InvoiceHistoryID"], order["Lines"][0]["InvoiceLineID"]
    path = f"/SalesOrders/{order['InvoiceID']}{change.format(history=history, line=line)}"
    await jiwa.request(verb, path, json={"QuantityOrdered": 2} if verb == "PATCH" else None)

    _, document = await receiver.receive()

    assert [2] * (verb == "PATCH") == [each["QuantityOrdered"] for each in document["Lines"]]


async def test_stateful_work_is_told_of_once_when_it_is_saved(jiwa, subscriber, subscribe, order):
    await subscribe(URL="http://127.0.0.1:9/")
    address, stateful = f"/SalesOrders/{order['InvoiceID']}", {"jiwa-stateful": "true"}
    for text in "abc":
        await jiwa.patch(address, json={"SOReference": text}, headers=stateful)
    before = await messages(jiwa, subscriber)
    await jiwa.get(f"{address}/Save", headers=stateful)

    after = await messages(jiwa, subscriber)

    assert [] == before
    assert ["c"] == [json.loads(each["Body"])["SOReference"] for each in after]


async def test_a_new_part_and_a_changed_one_are_told_of(jiwa, subscriber, subscribe):
    for event in ("inventory.created", "inventory.updated"):
        await subscribe(event, URL="http://127.0.0.1:9/")
    item = (await jiwa.post("/Inventory", json={"PartNo": "KEY-1"})).json()
    await jiwa.patch(f"/Inventory/{item['InventoryID']}", json={"DefaultPrice": 5})

    found = [(each["EventName"], json.loads(each["Body"])) for each in await messages(jiwa, subscriber)]

    assert [("inventory.created", "KEY-1", 0), ("inventory.updated", "KEY-1", 5)] == [
        (event, body["PartNo"], body["DefaultPrice"]) for event, body in found
    ]


async def test_reading_and_failing_and_allocating_send_nothing(quick, jiwa, subscriber, subscribe, order):
    await subscribe()
    await jiwa.get(f"/SalesOrders/{order['InvoiceID']}")
    await jiwa.patch(f"/SalesOrders/{order['InvoiceID']}", json={"Lines": [{"PartNo": "NONE"}]})
    quick.jiwa.allocate(order["InvoiceID"])

    assert [] == await messages(jiwa, subscriber)


async def test_only_the_event_subscribed_to_is_sent(jiwa, subscriber, subscribe, order):
    await subscribe("salesorder.created")
    await note(jiwa, order)

    assert [] == await messages(jiwa, subscriber)


async def test_a_disabled_subscriber_is_sent_nothing(jiwa, subscriber, subscribe, order):
    await subscribe()
    await jiwa.patch(subscriber, json={"IsEnabled": False})
    await note(jiwa, order)

    assert [] == await messages(jiwa, subscriber)


async def test_messages_of_a_subscription_arrive_in_order(jiwa, subscribe, receiver, order):
    await subscribe()
    for text in "abc":
        await note(jiwa, order, text)

    arrived = [(await receiver.receive())[1]["Notes"][-1]["NoteText"] for _ in range(3)]

    assert ["a", "b", "c"] == arrived


async def test_a_message_that_is_refused_is_sent_again_before_the_next_one(
    jiwa, subscriber, subscribe, receiver, order
):
    receiver.answers.extend(["503 Service Unavailable", "500 Internal Server Error"])
    await subscribe()
    for text in "ab":
        await note(jiwa, order, text)

    arrived = [(await receiver.receive())[1]["Notes"][-1]["NoteText"] for _ in range(4)]

    assert ["a", "a", "a", "b"] == arrived
    assert [(SENT, 2, 202), (SENT, 0, 202)] == [
        (each["Status"], each["Retries"], each["LastMessageResponseHTTPCode"])
        for each in await finished(jiwa, subscriber)
    ]


async def test_a_message_is_given_up_after_so_many_attempts(jiwa, subscriber, subscribe, receiver, order):
    receiver.answers.extend(["404 Not Found"] * QUICK.attempts)
    await subscribe()
    for text in "ab":
        await note(jiwa, order, text)

    outcomes = await finished(jiwa, subscriber)

    assert [(GIVEN_UP, QUICK.attempts - 1, 404), (SENT, 0, 202)] == [
        (each["Status"], each["Retries"], each["LastMessageResponseHTTPCode"]) for each in outcomes
    ]


async def test_a_receiver_that_is_not_there_is_tried_again(jiwa, subscriber, subscribe, receiver, order):
    subscription = await subscribe(URL="http://127.0.0.1:9/")
    await note(jiwa, order)

    [message] = await finished(jiwa, subscriber)

    assert (GIVEN_UP, QUICK.attempts - 1, 0) == (
        message["Status"],
        message["Retries"],
        message["LastMessageResponseHTTPCode"],
    )
    assert "LastHTTPResponseCode" not in (await jiwa.get(subscription)).json()


async def test_a_receiver_that_asks_for_time_is_given_it(jiwa, subscriber, subscribe, receiver, order):
    receiver.answers.append("429 Too Many Requests\r\nRetry-After: 3600")
    subscription = await subscribe()
    await note(jiwa, order)
    await receiver.receive()
    state = await answered(jiwa, subscription)

    [message] = await messages(jiwa, subscriber)

    assert (WAITING, 429) == (message["Status"], state["LastHTTPResponseCode"])
    assert moment(state["RetryAfterDateTime"]) - moment(message["LastSavedDateTime"]) > timedelta(minutes=59)
    assert receiver.received.empty()


async def test_messages_keep_their_bodies_so_that_missed_ones_can_be_read(jiwa, subscriber, subscribe, order):
    await subscribe(URL="http://127.0.0.1:9/")
    await note(jiwa, order, "missed")

    [message] = await messages(jiwa, subscriber)

    assert "missed" == json.loads(message["Body"])["Notes"][0]["NoteText"]


async def test_two_same_subscriptions_send_twice(jiwa, subscribe, receiver, order):
    for _ in range(2):
        await subscribe()
    await note(jiwa, order)

    first, second = (await receiver.receive())[1], (await receiver.receive())[1]

    assert first == second


async def test_an_ended_subscription_sends_nothing_more(jiwa, subscriber, subscribe, receiver, order):
    subscription = await subscribe()
    gone = await jiwa.delete(subscription)
    await note(jiwa, order)

    assert (204, 404) == (gone.status_code, (await jiwa.get(subscription)).status_code)
    assert [] == await messages(jiwa, subscriber)


async def test_only_one_subscription_read_by_itself_shows_its_headers_and_by_other_names(
    jiwa, subscriber, subscribe, receiver
):
    subscription = await subscribe(RequestHeaders=[{"Name": "X-Key", "Value": "v"}])
    await jiwa.patch(subscription, json={"EventName": "inventory.updated"})

    found = (await jiwa.get(subscription)).json()
    [listed] = (await jiwa.get(f"{subscriber}/Subscriptions/")).json()

    assert [listed] == (await jiwa.get(subscriber)).json()["Subscriptions"]
    assert ("inventory.updated", receiver.url) == (found["EventName"], found["URL"])
    assert [("X-Key", "v")] == headers_of(found)
    assert listed["RecID"] == found["SubscriptionID"]
    assert listed["SY_WebhookSubscriber_RecID"] == found["SubscriberID"]
    assert not {"RequestHeaders", "Headers", "LastHTTPResponseCode"} & set(listed)


async def test_headers_are_replaced_all_together(jiwa, subscribe):
    subscription = await subscribe(RequestHeaders=[{"Name": "X-Key", "Value": "v"}])

    new = {"RequestHeaders": [{"Name": "X-Other", "Value": "w"}]}
    answered = (await jiwa.put(f"{subscription}RequestHeaders/", json=new)).json()
    emptied = await jiwa.put(f"{subscription}RequestHeaders/", json={})

    assert [("X-Other", "w")] == headers_of({"RequestHeaders": answered})
    assert (200, []) == (emptied.status_code, emptied.json())
    assert [] == headers_of((await jiwa.get(subscription)).json())


async def test_a_version_sees_no_header_under_the_name_of_another(quick, jiwa, subscribe):
    quick.jiwa.dialect.speak({"subscription-headers-field": "Headers"})
    key = [{"Name": "X-Key", "Value": "v"}]

    blind = (await jiwa.get(await subscribe(RequestHeaders=key))).json()
    seeing = (await jiwa.get(await subscribe(Headers=key))).json()

    assert ([], [("X-Key", "v")]) == (headers_of(blind, "Headers"), headers_of(seeing, "Headers"))


@pytest.mark.parametrize(("variant", "expected"), [("current", "new"), ("kept", "old")])
async def test_a_message_that_waits_is_sent_with_the_headers_by_then_or_with_those_of_before(
    quick, jiwa, subscribe, receiver, order, variant, expected
):
    quick.jiwa.dialect.speak({"waiting-messages-headers": variant})
    receiver.answers.append("503 Service Unavailable\r\nRetry-After: 1")
    subscription = await subscribe(RequestHeaders=[{"Name": "X-Key", "Value": "old"}])
    await note(jiwa, order)
    first, _ = await receiver.receive()
    await jiwa.put(
        f"{subscription}RequestHeaders/", json={"RequestHeaders": [{"Name": "X-Key", "Value": "new"}]}
    )

    again, _ = await receiver.receive()

    assert ("old", expected) == (first["x-key"], again["x-key"])


async def test_with_a_subscription_its_messages_are_gone(jiwa, subscriber, subscribe, order):
    subscription = await subscribe(URL="http://127.0.0.1:9/")
    await note(jiwa, order)
    before = await messages(jiwa, subscriber)
    await jiwa.delete(subscription)

    assert (1, []) == (len(before), await messages(jiwa, subscriber))


async def test_a_subscriber_needs_a_log_in_but_his_key_is_enough_for_what_is_his(quick, jiwa, subscriber):
    async with httpx.AsyncClient(base_url=quick.jiwa.url) as stranger:
        statuses = [
            (await stranger.get(f"{subscriber}{path}")).status_code
            for path in ("", "/Subscriptions/", "/Messages")
        ]

    assert [401, 204, 200] == statuses


async def test_a_subscribers_key_is_hidden_in_the_request_log(quick, jiwa, subscriber):
    await jiwa.get(subscriber)

    assert "/Webhooks/Subscribers/***" == quick.jiwa.requests()[-1]["path"]


async def test_subscribers_are_listed_and_deleted(jiwa, subscriber):
    listed = (await jiwa.get("/Webhooks/Subscribers/")).json()["Results"]
    gone = await jiwa.delete(subscriber)

    assert [("Hookline", True)] == [(each["Name"], each["IsEnabled"]) for each in listed]
    assert (204, 404) == (gone.status_code, (await jiwa.get(subscriber)).status_code)


async def test_the_events_are_listed(jiwa):
    names = [each["Name"] for each in (await jiwa.get("/Webhooks/Events/")).json()]

    assert {"salesorder.created", "salesorder.updated"} <= set(names)


@pytest.mark.parametrize("body", [{"EventName": "x"}, {"URL": "http://x.example/"}])
async def test_a_subscription_needs_an_address_and_an_event(jiwa, subscriber, body):
    response = await jiwa.post(f"{subscriber}/Subscriptions/", json=body)

    assert 400 == response.status_code
