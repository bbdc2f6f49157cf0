"""One poll of a list that grows, shifts and shows rows late while it is read: nothing is lost, nothing comes twice."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
import yaml

from hookline.clients.jetadvice import JetadviceClient
from hookline.clients.jifeline import JifelineClient
from hookline.hooks.sources import read_source
from hookline.inbox.polls import Claim, Reading
from hookline.polling.fit import operation_of
from hookline.polling.reader import NoProgress, NotInOrder, Reader, moment

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDERS = {
    "poll": {
        "operation": "jiwa.query_sales_orders",
        "inputs": {
            "LastSavedDateTimeGreaterThanOrEqualTo": "{{ since }}",
            "OrderBy": "LastSavedDateTime,InvoiceID",
        },
        "time": "{{ body.LastSavedDateTime }}",
        "ordered": True,
        "overlap": "5m",
    },
    "id": "{{ body.InvoiceID }} {{ body.LastSavedDateTime }}",
}
EVENTS = {
    "poll": {
        "operation": "jifeline.list_system_events",
        "inputs": {"after_id": "{{ position }}", "occurred_after": "{{ since }}"},
        "position": "{{ body.id }}",
        "overlap": "5m",
    },
    "id": "{{ body.id }}",
}
TICKETS = {
    "poll": {
        "operation": "jifeline.list_closed_tickets",
        "inputs": {"finished_after": "{{ since }}"},
        "time": "{{ body.finished_at }}",
        "overlap": "5m",
    },
    "id": "{{ body.id }}",
}


def changed(text, **fields):
    return {**text, "poll": {**text["poll"], **fields}}


@dataclass
class Polls:
    """A polled source whose deliveries are remembered, as the inbox does."""

    text: dict
    vendor: object
    now: datetime = BEGAN
    came: list = field(default_factory=list)
    known: set = field(default_factory=set)
    reading: Reading = field(default_factory=Reading)
    rows: int = 0
    seconds: float = 60

    def poll(self):
        source = read_source(self.text, Path())

        async def unknown(ids):
            return set(ids) - self.known

        async def on_page():
            self.vendor.between_pages()

        async def read():
            reader = Reader(
                client=self.vendor,
                operation=operation_of(source.poll),
                poll=source.poll,
                source=source,
                now=self.now,
                unknown=unknown,
                on_page=on_page,
                seconds=self.seconds,
            )
            return await reader.read(Claim("orders", 1, BEGAN, self.reading))

        found = asyncio.run(read())
        self.came += [item.id for item in found.new]
        self.known |= {item.id for item in found.new} | set(found.seen)
        self.reading, self.rows = found.reading, found.rows
        return found

    def to_the_end(self, most=200):
        for _ in range(most):
            if not self.poll().more:
                return
        raise AssertionError("the poll never comes to the end of the list")


@dataclass
class Jiwa:
    """A list of orders by the time of their last save, which others change between two pages."""

    orders: dict = field(default_factory=dict)
    change: object = None
    size: int = 100
    asked: list = field(default_factory=list)

    def save(self, order, at):
        self.orders[order] = at

    def between_pages(self):
        if self.change:
            self.change()

    async def send(self, operation, inputs):
        asked = inputs.values()
        self.asked.append(asked)
        since = moment(asked["LastSavedDateTimeGreaterThanOrEqualTo"])
        rows = sorted((at, order) for order, at in self.orders.items() if at >= since)
        skip = asked.get("Skip", 0)
        page = rows[skip : skip + self.size]
        return {
            "Total": len(rows),
            "Results": [{"InvoiceID": order, "LastSavedDateTime": at.isoformat()} for at, order in page],
        }


def minutes(number):
    return BEGAN + timedelta(minutes=number)


def test_the_first_poll_takes_nothing_of_before():
    jiwa = Jiwa({"old": minutes(-3), "new": minutes(1)})
    polls = Polls(ORDERS, jiwa, now=minutes(2))

    polls.poll()

    assert [f"new {minutes(1).isoformat().replace('+00:00', 'Z')}"] == polls.came
    earliest = jiwa.asked[0]["LastSavedDateTimeGreaterThanOrEqualTo"]
    assert minutes(-5).isoformat() == earliest.replace("Z", "+00:00")  # the overlap, for a clock that is slow


def test_an_item_comes_once_although_the_overlap_reads_it_again_and_again_when_it_is_saved_again():
    jiwa = Jiwa({"a": minutes(1)})
    polls = Polls(ORDERS, jiwa, now=minutes(2))
    polls.poll()
    polls.poll()
    jiwa.save("a", minutes(3))
    polls.now = minutes(4)
    polls.poll()

    assert ["a", "a"] == [each.split()[0] for each in polls.came]


def test_a_row_that_is_listed_later_than_it_was_saved_is_found_within_the_overlap():
    jiwa = Jiwa({"b": minutes(10)})
    polls = Polls(ORDERS, jiwa, now=minutes(11))
    polls.poll()
    jiwa.save("late", minutes(6))
    polls.poll()

    assert ["b", "late"] == [each.split()[0] for each in polls.came]


def test_a_backlog_is_caught_up_oldest_first_and_so_many_at_a_time():
    jiwa = Jiwa({f"{number:03}": minutes(1 + number) for number in range(50)}, size=10)
    polls = Polls(changed(ORDERS, max_items=7), jiwa, now=minutes(90))
    sizes = []
    while not sizes or polls.reading.place:
        sizes.append(len(polls.poll().new))

    assert [f"{number:03}" for number in range(50)] == [each.split()[0] for each in polls.came]
    assert 7 == max(sizes)


def test_more_rows_of_one_moment_than_a_poll_reads_do_not_hold_it_up():
    jiwa = Jiwa({f"{number:03}": minutes(1) for number in range(95)} | {"last": minutes(2)}, size=10)
    polls = Polls(changed(ORDERS, max_pages=3, max_items=12), jiwa, now=minutes(3))

    polls.to_the_end()

    assert 96 == len(set(polls.came)) == len(polls.came)
    assert "last" == polls.came[-1].split()[0]


def test_pages_are_as_long_as_the_poll_says():
    jiwa = Jiwa({f"{number:03}": minutes(number) for number in range(1, 30)}, size=25)
    polls = Polls(changed(ORDERS, page_size=25), jiwa, now=minutes(60))
    polls.to_the_end()

    assert {25} == {asked["Take"] for asked in jiwa.asked}
    assert 29 == len(polls.came)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("ordered", [True, False])
def test_rows_that_move_while_the_list_is_read_are_neither_lost_nor_doubled(seed, ordered):
    random = Random(seed)
    jiwa = Jiwa({f"{number:03}": minutes(random.randint(1, 20)) for number in range(60)}, size=7)
    polls = Polls(changed(ORDERS, ordered=ordered, max_pages=4, max_items=9), jiwa, now=minutes(30))
    clock = iter(range(1, 10_000))

    def change():
        for _ in range(random.choice((0, 0, 1, 3))):
            jiwa.save(f"{random.randrange(70):03}", minutes(21) + timedelta(seconds=next(clock)))

    jiwa.change = change
    for _ in range(30):
        polls.poll()
    jiwa.change = None
    polls.to_the_end()
    polls.to_the_end()  # the pass after it reads the overlap

    versions = {f"{order} {at.isoformat().replace('+00:00', 'Z')}" for order, at in jiwa.orders.items()}
    assert set() == versions - set(polls.came)
    assert len(set(polls.came)) == len(polls.came)


def test_a_time_in_the_future_does_not_hide_what_comes_before_it():
    jiwa = Jiwa({"wrong clock": minutes(60 * 24 * 365)})
    polls = Polls(ORDERS, jiwa, now=minutes(2))
    polls.poll()
    jiwa.save("next", minutes(3))
    polls.now = minutes(4)
    polls.poll()

    assert "next" in [each.split()[0] for each in polls.came]


def test_a_list_that_is_not_in_the_order_that_ordered_promises_is_refused_in_words():
    class Shuffled(Jiwa):
        async def send(self, operation, inputs):
            answer = await super().send(operation, inputs)
            return answer | {"Results": answer["Results"][::-1]}

    polls = Polls(ORDERS, Shuffled({"a": minutes(1), "b": minutes(2)}), now=minutes(3))

    with pytest.raises(NotInOrder, match="not in the order of its time"):
        polls.poll()


def test_an_item_that_is_not_as_it_should_be_comes_as_it_is_and_stops_nothing_behind_it():
    class Odd(Jiwa):
        async def send(self, operation, inputs):
            answer = await super().send(operation, inputs)
            return answer | {"Results": [{"InvoiceNo": ["no id", "no time"]}, 7, *answer["Results"]]}

    polls = Polls(ORDERS, Odd({"a": minutes(1)}), now=minutes(2))
    polls.poll()
    polls.poll()

    assert 3 == len(polls.came)
    assert {"sha256:", "a"} == {each.split()[0][:7] for each in polls.came}


@dataclass
class Feed:
    """A feed of events by id, of which one may come late with an earlier id."""

    ids: list
    size: int = 250

    def between_pages(self):
        pass

    async def send(self, operation, inputs):
        asked = inputs.values()
        after = asked.get("after_id", "")
        rows = [each for each in sorted(self.ids) if each > after][: self.size]
        return {"result": [{"id": each, "type": "tickets.ticket.created"} for each in rows]}


def test_a_feed_is_read_from_the_last_id_on_and_again_within_the_overlap():
    feed = Feed(["A1", "A3"])
    polls = Polls(EVENTS, feed, now=minutes(1))
    polls.poll()
    feed.ids += ["A2", "A4"]
    polls.now = minutes(2)
    polls.poll()
    assert ["A1", "A3", "A4"] == polls.came  # A2 lies before all that the overlap has
    polls.now = minutes(3)
    feed.ids += ["A35", "A5"]
    polls.poll()

    assert ["A1", "A3", "A4", "A35", "A5"] == polls.came


def test_a_long_feed_is_caught_up_in_several_polls():
    feed = Feed([f"{number:04}" for number in range(900)])
    polls = Polls(changed(EVENTS, max_items=100, max_pages=1), feed, now=minutes(1))

    polls.to_the_end()

    assert feed.ids == polls.came


def test_a_feed_without_the_id_that_position_names_says_so_instead_of_reading_its_first_page_for_ever():
    polls = Polls(changed(EVENTS, position="{{ body.number }}"), Feed(["A1"]), now=minutes(1))

    with pytest.raises(NoProgress, match="position"):
        polls.poll()


@dataclass
class Devices:
    """A list without any cursor."""

    levels: dict

    def between_pages(self):
        pass

    async def send(self, operation, inputs):
        return [{"deviceId": device, "location": level} for device, level in self.levels.items()]


DEVICES = {"poll": {"operation": "jetadvice.list_devices"}, "id": "{{ body.deviceId }} {{ body.location }}"}


@pytest.mark.parametrize(("since", "expected"), [("0s", ["b 2"]), ("ever", ["a 1", "b 1", "b 2"])])
def test_of_a_list_without_a_cursor_only_what_changes_is_news_unless_all_of_it_is_asked_for(since, expected):
    devices = Devices({"a": 1, "b": 1})
    polls = Polls(changed(DEVICES, since=since), devices)
    polls.poll()
    devices.levels["b"] = 2
    polls.poll()
    polls.poll()

    assert expected == polls.came


def test_an_operation_is_a_read_or_no_poll():
    for operation, problem in (
        ("jiwa.process_sales_order", "is no read"),
        ("jiwa.create_sales_order", "is no read"),
        ("zentitle.list_everything", "has no operation"),
        ("nobody.list", "there is no vendor"),
    ):
        source = read_source(changed(ORDERS, operation=operation), Path())
        with pytest.raises(ValueError, match=problem):
            operation_of(source.poll)
    assert JetadviceClient.list_devices is operation_of(read_source(DEVICES, Path()).poll)
    assert JifelineClient.list_system_events is operation_of(read_source(EVENTS, Path()).poll)


def test_levels_that_come_again_after_a_new_cartridge_are_news(repository):
    """Used up, replaced and used up again within the time for which ids are remembered: each is to be ordered."""
    text = yaml.safe_load((repository / "deployments/hooks.yaml").read_text())["sources"]["jetadvice-devices"]
    devices = Levels()
    polls = Polls(text, devices)
    for day, level in enumerate((14, 100, 14)):
        devices.level, devices.day = level, day
        polls.poll()
        polls.poll()

    assert 3 == len(polls.came)


@dataclass
class Levels:
    """A printer that reports each day."""

    level: int = 0
    day: int = 0

    def between_pages(self):
        pass

    async def send(self, operation, inputs):
        supply = {"type": "toner", "color": "black", "levelPercent": self.level}
        reported = (BEGAN + timedelta(days=self.day)).isoformat()
        return [{"deviceId": "d", "customerId": "c", "lastReport": reported, "supplies": [supply]}]


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00"])
def test_a_time_that_no_clock_can_have_stops_nothing_behind_it(time):
    assert moment(time) is None


def test_a_time_in_the_future_does_not_hide_what_a_vendor_with_a_slow_clock_saves_next():
    jiwa = Jiwa({"a": minutes(1), "wrong clock": minutes(60 * 24 * 365)})
    polls = Polls(ORDERS, jiwa, now=minutes(120))
    polls.poll()
    jiwa.save("next", minutes(2))
    polls.now = minutes(121)
    polls.poll()

    assert "next" in [each.split()[0] for each in polls.came]


def test_a_vendor_that_gives_shorter_pages_than_it_was_asked_for_is_read_to_the_end():
    jiwa = Jiwa({f"{number:04}": minutes(1) for number in range(350)}, size=100)
    send = jiwa.send

    async def without_total(operation, inputs):
        return await send(operation, inputs) | {"Total": None}

    jiwa.send = without_total
    polls = Polls(changed(ORDERS, page_size=500), jiwa, now=minutes(2))
    polls.to_the_end()

    assert 350 == len(polls.came)


def test_the_overlap_of_a_feed_moves_on_however_many_polls_are_in_it():
    feed = Feed([])
    polls = Polls(changed(EVENTS, overlap="2h"), feed)
    for minute in range(600):
        polls.now = minutes(minute)
        feed.ids.append(f"{minute:04}")
        polls.poll()

    assert 600 == len(polls.came)
    assert 250 > polls.rows
    assert 100 > len(polls.reading.trail)


def test_a_poll_that_has_no_time_left_keeps_what_it_read_and_goes_on_from_there():
    jiwa = Jiwa({f"{number:03}": minutes(1 + number) for number in range(50)}, size=10)
    polls = Polls(ORDERS, jiwa, now=minutes(90), seconds=0)
    found = polls.poll()
    assert (10, True) == (len(found.new), found.more)
    polls.to_the_end()

    assert 50 == len(polls.came)


def test_a_vendor_whose_clock_is_slow_loses_nothing_at_the_first_start():
    jiwa = Jiwa({"before": minutes(-20)})
    polls = Polls(ORDERS, jiwa, now=minutes(0))
    polls.poll()
    jiwa.save("new", minutes(-1))  # saved after we began, by a clock that is two minutes slow
    polls.now = minutes(1)
    polls.poll()

    assert ["new"] == [each.split()[0] for each in polls.came]
