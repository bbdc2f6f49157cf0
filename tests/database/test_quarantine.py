"""What took its engine with it runs last, then by itself, then no more; what only was beside it loses its turn."""

import asyncio
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta

import pytest
from clocks import set_clock
from pydantic import SecretStr

from hookline.database.connection import database_url
from hookline.engine import quarantine as quarantine_module
from hookline.engine.leases import Leases
from hookline.engine.liveness import alive, dead_engines
from hookline.engine.quarantine import Quarantine
from hookline.inbox import commands, deliveries, dispatches, engines

LEASE = timedelta(seconds=30)


class Bench:
    """Engines without a loop of their own, and the dispatches between them."""

    def __init__(self, database, settings):
        self.database = database
        self.settings = settings

    async def dispatch(self, name, **columns):
        arrival = deliveries.Arrival("jiwa", name, "POST", {}, {}, "application/json", b"{}")
        receipt = await deliveries.accept(self.database, arrival)
        async with self.database.acquire() as connection:
            await dispatches.add_all(
                connection,
                [
                    dispatches.NewDispatch(
                        receipt.id, route="r", deployment="f/d", parameters={"name": name}, key=None
                    )
                ],
            )
        for column, value in columns.items():
            await self.database.execute(
                f"UPDATE dispatches SET {column} = {value} WHERE delivery_id = $1", receipt.id
            )
        return receipt.id

    async def engine(self, name="engine", lease=LEASE):
        leases = Leases(self.settings, name)
        leases.lease = lease
        quarantine = Quarantine(leases, ["f/d"])
        await quarantine.refresh(self.database)
        return leases, quarantine

    async def dies(self, name):
        """What its successor does first."""
        return await dispatches.take_over(self.database, dead=[name])

    async def is_lost(self, name):
        """Nobody hears of it, dead or not; until now it sent heartbeats."""
        await _listed(self.database, name)
        return await dispatches.take_over(self.database, unheard=[name])

    async def runs_in_each(self, names):
        """It begins in each of these engines, which are lost with it; how often it began."""
        begun = 0
        for name in names:
            begun += len(await dispatches.claim(self.database, name, limit=1, lease=LEASE, takeovers=(0, 99)))
            await self.is_lost(name)
        return begun

    async def row(self, delivery):
        return await self.database.fetchrow("SELECT * FROM dispatches WHERE delivery_id = $1", delivery)


@pytest.fixture
def bench(database, database_settings):
    return Bench(database, database_settings)


@pytest.fixture
def closing():
    """Ends what a test began, whatever became of it."""
    with ExitStack() as stack:
        yield stack


def names(all_claimed):
    return [claimed.dispatch["parameters"]["name"] for claimed in all_claimed]


async def test_after_one_death_all_that_was_claimed_runs_again_when_nothing_else_waits(bench):
    for number in range(3):
        await bench.dispatch(f"d{number}")
    await (await bench.engine("first"))[0].claim(3, ["f/d"])
    await bench.dies("first")
    await bench.dispatch("innocent")
    leases, quarantine = await bench.engine()

    innocent = await leases.claim(9, ["f/d"])
    suspects = await quarantine.claim(9)

    assert (["innocent"], ["d0", "d1", "d2"]) == (names(innocent), sorted(names(suspects)))


async def test_after_two_deaths_each_runs_by_itself_and_nothing_is_begun_beside_it(bench):
    for number in range(2):
        await bench.dispatch(f"d{number}", takeovers=2)
    leases, quarantine = await bench.engine()

    first = await quarantine.claim(9)
    closed, beside = quarantine.is_closed, await quarantine.claim(9)
    leases.release(first[0])

    assert (["d0"], True, []) == (names(first), closed, beside)
    assert (False, ["d1"]) == (quarantine.is_closed, names(await quarantine.claim(9)))


async def test_one_that_must_be_by_itself_waits_for_what_is_at_work_but_not_for_ever(bench, monkeypatch):
    await bench.dispatch("innocent")
    await bench.dispatch("suspect", takeovers=2)
    leases, quarantine = await bench.engine()
    [innocent] = await leases.claim(9, ["f/d"])

    while_at_work, patient = await quarantine.claim(9), quarantine.makes_room
    monkeypatch.setattr(quarantine_module, "MAKE_ROOM_AFTER_SECONDS", 0)
    impatient = quarantine.makes_room
    leases.release(innocent)

    assert ([], False, True) == (while_at_work, patient, impatient)
    assert ["suspect"] == names(await quarantine.claim(9))


async def test_one_that_runs_by_itself_keeps_the_engine_from_others_for_a_minute_only(bench, monkeypatch):
    await bench.dispatch("suspect", takeovers=2)
    _, quarantine = await bench.engine()
    [claimed] = await quarantine.claim(9)

    closed = []
    for seconds in (59.9, 60.0):
        now = claimed.began + seconds
        set_clock(monkeypatch, "hookline.engine.quarantine", lambda now=now: now)
        closed.append(quarantine.is_closed)

    assert [True, False] == closed


async def test_how_long_one_waits_counts_from_when_it_began_to_wait(bench, database, monkeypatch):
    at = [0.0]
    set_clock(monkeypatch, "hookline.engine.quarantine", lambda: at[0])
    await bench.dispatch("suspect", takeovers=2)
    _, quarantine = await bench.engine()

    makes_room = []
    for at[0] in (30.0, 31.0):
        await quarantine.refresh(database)
        makes_room.append(quarantine.makes_room)

    assert [False, True] == makes_room


@pytest.mark.parametrize("takeovers", [1, 2])
async def test_a_suspect_waits_for_a_free_slot_and_for_an_engine_that_has_its_deployment(bench, takeovers):
    await bench.dispatch("of another deployment", takeovers=takeovers, deployment="'other/d'")
    await bench.dispatch("suspect", takeovers=takeovers)
    _, quarantine = await bench.engine()

    without_slot, claimed = await quarantine.claim(0), await quarantine.claim(9)

    assert ([], ["suspect"]) == (without_slot, names(claimed))


async def test_before_it_has_read_what_waits_it_makes_no_room(bench):
    leases, _ = await bench.engine()

    assert not Quarantine(leases, ["f/d"]).makes_room


async def test_the_third_death_ends_it_with_that_reason_and_a_replay_runs_it_by_itself(bench, database):
    delivery = await bench.dispatch("suspect", takeovers=2, engine_deaths=2, flow_run_id="gen_random_uuid()")
    _, quarantine = await bench.engine()
    await quarantine.claim(9)

    [taken] = await bench.dies("engine")
    row = await bench.row(delivery)
    async with database.acquire() as connection:
        replayed = await commands.replay(connection, [delivery], actor="ann")

    assert ("failed", 3, "engine") == (taken["state"], taken["engine_deaths"], taken["engine"])
    assert ("failed", dispatches.GAVE_UP, None) == (row["state"], row["reason"], row["lease_owner"])
    row = await bench.row(delivery)
    assert ({delivery}, 2, 2) == (replayed, row["engine_deaths"], row["takeovers"])


async def test_an_engine_that_dies_again_and_again_with_one_of_five_ends_that_one_alone(bench):
    ids = [await bench.dispatch(f"d{number}") for number in range(5)]

    for life in range(20):
        leases, quarantine = await bench.engine(f"life {life}")
        all_claimed = [*await leases.claim(8, ["f/d"]), *await quarantine.claim(8)]
        if "d3" in names(all_claimed):
            await bench.dies(f"life {life}")
        else:
            for claimed in all_claimed:
                await dispatches.finish(bench.database, claimed.id, f"life {life}", "done", None)
    rows = [await bench.row(delivery) for delivery in ids]

    assert ["done", "done", "done", "failed", "done"] == [row["state"] for row in rows]


@pytest.mark.parametrize("how", ["done", "put back", "begun again"])
async def test_whatever_its_engine_survives_acquits_it(bench, how):
    delivery = await bench.dispatch("suspect", takeovers=1, engine_deaths=1, lost_by="ARRAY['gone']")
    _, quarantine = await bench.engine()
    [claimed] = await quarantine.claim(9)

    match how:
        case "done":
            await dispatches.finish(bench.database, claimed.id, "engine", "done", None)
        case "put back":
            await dispatches.requeue(bench.database, claimed.id, "engine", "stops", timedelta(0))
        case "begun again":
            await dispatches.unbatch(bench.database, claimed.id, "engine", "not well")

    row = await bench.row(delivery)
    assert (0, 0, []) == (row["engine_deaths"], row["takeovers"], row["lost_by"])


async def test_an_engine_that_is_lost_and_lives_has_not_died(bench, database):
    delivery = await bench.dispatch("innocent")

    begun = await bench.runs_in_each(["first", "second", "third", "fourth"])
    waits = await bench.row(delivery)
    await dispatches.is_alive(database, "second")
    _, quarantine = await bench.engine("second")
    again = await quarantine.claim(9)
    goes_on = await bench.row(delivery)

    assert (3, "dispatched", dispatches.FATE_UNKNOWN) == (begun, waits["state"], waits["reason"])
    assert (["first", "second", "third"], 0) == (waits["lost_by"], waits["engine_deaths"])
    assert (["innocent"], True, dispatches.TAKEN_OVER) == (
        names(again),
        quarantine.is_closed,
        goes_on["reason"],
    )
    assert (["first", "third"], 3) == (goes_on["lost_by"], goes_on["takeovers"])


@pytest.mark.parametrize("how", ["its lock is free", "it was silent for so long that it is no longer listed"])
async def test_a_death_that_is_known_only_later_is_counted_then(bench, database, how):
    delivery = await bench.dispatch("suspect")
    await bench.runs_in_each(["first", "second"])

    await dispatches.count_deaths(database)
    before = (await bench.row(delivery))["engine_deaths"]
    if how == "its lock is free":
        await dispatches.count_deaths(database, dead=["second"])
    else:
        await engines.forget(database, ["second"])
        await dispatches.count_deaths(database)
    await dispatches.is_alive(database, "second")  # what was on its way when it died

    row = await bench.row(delivery)
    assert (0, 1, ["first"]) == (before, row["engine_deaths"], row["lost_by"])


async def test_an_engine_that_was_lost_and_dies_with_the_same_dispatch_later_has_died_once(bench, database):
    delivery = await bench.dispatch("suspect")
    await bench.runs_in_each(["first"])

    await dispatches.claim(database, "first", limit=1, lease=LEASE, takeovers=(0, 99))
    await bench.dies("first")
    await dispatches.count_deaths(database, dead=["first"])

    row = await bench.row(delivery)
    assert (1, 2, []) == (row["engine_deaths"], row["takeovers"], row["lost_by"])


async def test_an_engine_that_fell_with_all_beside_it_after_it_was_lost_counts_against_nothing(
    bench, database
):
    delivery = await bench.dispatch("innocent")
    await bench.runs_in_each(["first"])

    await dispatches.count_deaths(database, dead=["first"], fallen=["first"])

    row = await bench.row(delivery)
    assert (0, []) == (row["engine_deaths"], row["lost_by"])


async def test_what_three_engines_died_of_is_run_no_more_though_that_is_known_late(bench, database):
    delivery = await bench.dispatch("poison")

    begun = await bench.runs_in_each(["first", "second", "third", "fourth"])
    await dispatches.count_deaths(database, dead=["first", "second"])
    before = (await bench.row(delivery))["state"]
    await dispatches.count_deaths(database, dead=["third"])

    row = await bench.row(delivery)
    assert (3, "dispatched", "failed", dispatches.GAVE_UP) == (begun, before, row["state"], row["reason"])


async def test_what_three_engines_died_of_while_it_began_once_more_is_failed_at_the_next_loss(
    bench, database
):
    delivery = await bench.dispatch("poison", engine_deaths=1)
    await bench.runs_in_each(["first", "second"])
    await dispatches.is_alive(database, "second")
    await dispatches.claim(database, "third", limit=1, lease=LEASE, takeovers=(0, 99))
    await database.execute("UPDATE dispatches SET lost_by = '{first,second}'")

    await dispatches.count_deaths(database, dead=["first", "second"])
    while_it_runs = (await bench.row(delivery))["state"]
    await bench.is_lost("third")

    assert ("running", "failed") == (while_it_runs, (await bench.row(delivery))["state"])


async def test_what_its_engine_is_lost_with_each_time_is_not_run_for_ever_though_they_live(bench, database):
    delivery = await bench.dispatch("blocks its engine for a while")

    begun = 0
    for life in range(99):
        begun += await bench.runs_in_each([f"life {life}"])
        await dispatches.is_alive(database, f"life {life}")

    row = await bench.row(delivery)
    assert (dispatches.LOST_TOO_OFTEN, "failed", dispatches.LOST_EACH_TIME) == (
        begun,
        row["state"],
        row["reason"],
    )


async def test_what_a_killed_engine_held_passes_on_at_once_though_its_lease_lasts(bench, database, closing):
    delivery = await bench.dispatch("held")
    home = bench.settings.home
    code = (
        "import sys, time; from pathlib import Path; from hookline.engine.liveness import alive\n"
        "with alive(Path(sys.argv[1]), 'host:1:dead'): print('lives', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE)
    closing.enter_context(process)
    closing.callback(process.kill)
    process.stdout.readline()
    leases, _ = await bench.engine("next")
    await dispatches.claim(database, "host:1:dead", limit=1, lease=LEASE)
    await _listed(database, "host:1:dead")

    lives = dead_engines(home)
    await leases.take_over()
    before = (await bench.row(delivery))["state"]
    process.kill()
    process.wait()
    await leases.take_over()

    assert ([], "running") == (lives, before)
    row = await bench.row(delivery)
    assert ("dispatched", 1) == (row["state"], row["engine_deaths"])
    assert ([], 0) == (dead_engines(home), await database.fetchval("SELECT count(*) FROM engines"))


async def test_a_living_engine_of_this_home_whose_lease_ran_out_has_died_when_its_lock_is_free(
    bench, database, tmp_path, closing
):
    delivery = await bench.dispatch("held")
    elsewhere = {"home": tmp_path, "database_url": SecretStr(database_url(bench.settings))}
    leases = Leases(bench.settings.model_copy(update=elsewhere), "next")
    await _listed(database, "lost")
    await dispatches.claim(database, "lost", limit=1, lease=timedelta(0))

    with alive(tmp_path, "lost"):
        await leases.take_over()
        while_it_lives = await bench.row(delivery)
    (tmp_path / "engines" / "lost.lock").touch()  # as it is left by a process that dies
    await leases.take_over()

    row = await bench.row(delivery)
    assert ("dispatched", 1, 0) == tuple(
        while_it_lives[name] for name in ("state", "takeovers", "engine_deaths")
    )
    assert (1, 1, []) == (row["takeovers"], row["engine_deaths"], row["lost_by"])


def test_an_engine_that_ends_in_order_is_not_taken_for_dead(tmp_path):
    with alive(tmp_path, "one"), alive(tmp_path, "two"):
        while_they_live = dead_engines(tmp_path)

    assert ([], []) == (while_they_live, dead_engines(tmp_path))


async def test_a_clock_set_back_an_hour_keeps_no_dispatch_waiting(bench):
    await bench.dispatch("waits", not_before="now() + interval '1 hour'")
    await bench.dispatch("later", not_before="now() + interval '1 minute'")
    leases, _ = await bench.engine()

    assert ["waits"] == names(await leases.claim(9, ["f/d"]))


async def test_a_lease_from_before_the_clock_was_set_back_runs_out_unless_somebody_renews_it(
    bench, database, monkeypatch
):
    now = 0.0
    set_clock(monkeypatch, "hookline.engine.leases", lambda: now)
    abandoned = await bench.dispatch("abandoned")
    renewed = await bench.dispatch("renewed")
    await dispatches.claim(database, "another", limit=2, lease=LEASE)
    await database.execute("UPDATE dispatches SET lease_until = now() + interval '1 hour'")
    leases, _ = await bench.engine()

    await leases.take_over()
    now = 20.0
    await leases.take_over()
    early = (await bench.row(abandoned))["state"]
    await database.execute(
        "UPDATE dispatches SET lease_until = now() + interval '59 minutes' WHERE delivery_id = $1", renewed
    )
    now = 31.0
    await leases.take_over()

    states = [(await bench.row(delivery))["state"] for delivery in (abandoned, renewed)]
    assert ("running", ["dispatched", "running"]) == (early, states)


async def test_an_engine_with_longer_leases_than_others_keeps_what_it_works_on(bench, database, monkeypatch):
    now = 0.0
    set_clock(monkeypatch, "hookline.engine.leases", lambda: now)
    await bench.dispatch("long")
    await dispatches.claim(database, "another", limit=1, lease=LEASE * 10)
    leases, _ = await bench.engine()

    await leases.take_over()
    now = LEASE.total_seconds() * 9
    await leases.take_over()

    assert ["running"] == [row["state"] for row in await database.fetch("SELECT state FROM dispatches")]


async def _listed(database, name, **seen):
    await engines.beat(database, name, host="host", pid=1, trouble=seen.get("trouble"), since=None)


async def test_engines_say_that_they_live_and_what_has_long_been_silent_is_forgotten(database):
    await database.execute("TRUNCATE engines")
    for name in ("silent", "from the future", "other", "ended"):
        await _listed(database, name)
    await database.execute("UPDATE engines SET seen_at = now() - interval '1 hour' WHERE name = 'silent'")
    await database.execute("UPDATE engines SET seen_at = now() + interval '1 hour' WHERE name LIKE 'from%'")

    await _listed(database, "mine")
    await _listed(database, "mine", trouble="reconciling with Prefect: it is away")
    await engines.forget(database, ["ended"])

    rows = await database.fetch("SELECT name, trouble FROM engines ORDER BY name")
    assert [("mine", "reconciling with Prefect: it is away"), ("other", None)] == [tuple(row) for row in rows]


async def test_engines_that_look_at_once_count_one_death(bench, database):
    delivery = await bench.dispatch("held")
    await dispatches.claim(database, "dead", limit=1, lease=LEASE)

    taken = await asyncio.gather(*(dispatches.take_over(database, dead=["dead"]) for _ in range(5)))

    assert (1, 1) == (sum(map(len, taken)), (await bench.row(delivery))["engine_deaths"])
