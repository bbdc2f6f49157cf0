"""The benchmarks' own arithmetic: what they tell must follow from what was seen."""

from itertools import pairwise

import pytest

from benchmarks import curves, growing, memory, orders, processes, report, stages, takeover
from hookline.sandbox.paid_orders import Timing, milliseconds, per_second


def timings(*lasts, due=0.0, apart=0.0):
    """Orders due one after another, each with its last call so many seconds after it was due."""
    return [
        Timing(f"order {n}", due + n * apart, due + n * apart, due + n * apart, due + n * apart + last)
        for n, last in enumerate(lasts)
    ]


def test_a_stage_is_told_by_when_it_was_reached_and_by_what_it_took():
    rows = stages.as_rows([[10 * n + more for n in range(1, 8)] for more in (0, 1, 8)])

    assert list(stages.STAGES) == [name for name, _, _ in rows]
    assert [(11, 11), (21, 10), (31, 10)] == [(now, took) for _, now, took in rows[:3]]


def test_a_rate_is_until_the_last_call_of_the_last_order():
    assert 2.0 == per_second(timings(0.5, 2.0, 1.0, 1.5))


def test_a_percentile_is_in_milliseconds():
    assert (300.0, 480.0) == (milliseconds([0.1, 0.3, 0.5], 50), milliseconds([0.1, 0.3, 0.5], 95))


def test_a_single_time_is_each_of_its_percentiles():
    assert 250.0 == milliseconds([0.25], 95)


def test_a_slow_job_without_a_queue_keeps_up_with_what_is_offered():
    slow = curves.point(2.0, timings(*[5.0] * 50, apart=0.5))

    assert (2.0, True) == (slow.completed, slow.keeps_up)


def test_a_growing_queue_counts_as_collapse():
    # 40 orders offered in 10 s, done one a second
    queued = curves.point(4.0, timings(*[1 + n * 0.75 for n in range(40)], apart=0.25))

    assert (False, True) == (queued.keeps_up, queued.is_far_beyond_collapse)


def test_the_sentence_names_the_last_rate_that_was_kept_up_with():
    points = [curves.Point(4, 4, 300, 400), curves.Point(8, 7.9, 500, 900), curves.Point(16, 9, 8000, 9000)]

    told = curves.as_sentence("Hookline", points)

    assert (
        "Hookline: keeps up with 8 orders a second and no longer with 16; it completed 9 a second at most."
        == told
    )


def test_a_lower_rate_that_was_not_kept_up_with_is_told_beside_a_higher_one_that_was():
    points = [
        curves.Point(6, 5.54, 900, 1600),
        curves.Point(8, 6.95, 1700, 3000),
        curves.Point(12, 11.6, 1400, 2700),
    ]

    told = curves.as_sentence("Hookline", points)

    assert (
        "Hookline: keeps up with 12 orders a second, though not with 8, and was offered no more; "
        "it completed 11.6 a second at most." == told
    )


def test_a_curve_that_ended_earlier_leaves_its_cells_empty():
    longer = [curves.Point(1, 1, 300, 400), curves.Point(2, 2, 310, 410)]

    last = curves.as_table({"lane": longer, "alone": longer[:1]}).splitlines()[-1]

    assert "| 2 | 2 | 310 | 410 |  |  |  |" == last


def test_the_curves_are_drawn(tmp_path):
    points = [curves.Point(1, 1, 300, 400), curves.Point(2, 2, 310, 410)]

    curves.draw({"lane": points, "alone": points[:1]}, tmp_path / "curve.png")

    assert b"\x89PNG" == (tmp_path / "curve.png").read_bytes()[:4]


def test_the_table_of_systems_compares_their_rates_with_serve():
    light = timings(0.25, apart=1)
    result = orders.Result(
        [
            orders.Measured("Hookline", light, timings(*[10.0] * 100), {"gateway": 0.5, "engine": 4.0}),
            orders.Measured(orders.SERVED, light, timings(*[20.0] * 10)),
            orders.Measured(orders.BARE, light, timings(*[10.0] * 200)),
        ],
    )

    text = orders.as_text(result)
    rows = [line.strip("| ").split(" | ") for line in text.splitlines()[2:5]]

    assert ["1 + 100", "10", "20"] == [rows[0][1], *rows[0][-2:]]
    assert ["1 + 10", "0.5", "1"] == [rows[1][1], *rows[1][-2:]]
    assert ["", "", "20", "40"] == [*rows[2][2:4], *rows[2][-2:]]
    assert "| engine | 40 |\n| gateway | 5 |\n| together | 45 |" in text


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["python", "-m", "hookline", "up", "--sandbox"], "supervisor"),
        (["python", "-m", "hookline", "engine"], "engine"),
        (["python", "-m", "hookline.prefect_adapter.server", "--port", "4200"], "Prefect server"),
        (["postgres: hookline prefect 127.0.0.1(41) idle"], "PostgreSQL"),
        (["/bin/true"], "/bin/true"),
    ],
)
def test_a_process_is_named_by_its_command_line(command, name):
    assert name == processes.name_of(command)


def test_the_engine_is_looked_at_when_warm_and_evenly_until_the_end():
    steps = memory.steps(5000, 200)

    assert (200, 5000, 12) == (steps[0], steps[-1], len(steps))
    assert {436, 437} == {after - before for before, after in pairwise(steps)}


def test_growth_is_told_from_when_the_engine_was_warm():
    used = [memory.Used("engine", 1, 90_000_000, 80_000_000, 120_000_000)]

    grown = [(200, 100_000_000), (5000, 105_000_000)]
    told = memory.as_text(memory.Result(used, used, {"engine": 41.2, "another": 3.0}, grown), batch=True)

    assert "from 100 MB after 200 orders to 105 MB after 5000: +5.0 %." in told
    assert "| engine | 1 | 90 | 80 | 120 | 41 |" in told
    assert "At rest they take 44 ms of processor a second." in told


def test_what_is_written_replaces_its_own_place_only(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\nkept\n<!-- end -->\n")
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "machine", lambda: "here")

    report.write("one", "new \\1")

    wanted = "a\n<!-- one -->\nnew \\1\n\nhere\n<!-- end -->\nb\n<!-- two -->\nkept\n<!-- end -->\n"
    assert wanted == page.read_text()


def test_the_goal_of_a_takeover_is_held_against_its_p95():
    quick, slow = takeover.Takeover(0.4, 0.5), takeover.Takeover(0.4, 9.0)
    start = takeover.Start(1.0, 4.0, 4.2, 4.3)

    told = [takeover.as_text(takeover.Result([quick] * 30 + [slow] * many, [start])) for many in (1, 10)]

    assert ["at p95: met" in text for text in told] == [True, False]
    assert "| of which since the engine was there | 300 | 300 | 300 |" in told[0]


def test_a_step_is_compared_with_the_first_and_a_process_is_full_at_a_thousand_milliseconds():
    one, two = growing.STEPS[:2]
    first = growing.Measured(one, timings(0.2), timings(2.0, 4.0), timings(4.0, 8.0))
    second = growing.Measured(
        two,
        timings(0.1),
        timings(1.0, 2.0),
        timings(4.0, 8.0),
        {"engine": 20.0, "its guard": 0.1},
        {"engine": 80.0},
    )

    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in growing.as_text([first, second]).splitlines()
    ]

    assert ["2 engines, 1 Prefect server", "100", "100", "1", "2.00", "0.25", "1.00"] == rows[3]
    assert ["engine", "20.0", "50", "80.0", "12"] in rows
    assert "its guard" not in {row[0] for row in rows if row}


def test_services_are_no_server_and_redis_and_the_proxy_have_names():
    found = [
        processes.name_of(command.split())
        for command in (
            "python -m hookline.prefect_adapter.server --services",
            "python -m hookline.prefect_adapter.server --host 127.0.0.1 --port 4200",
            "redis-server 127.0.0.1:6379",
            "nginx: worker process",
        )
    ]

    assert ["Prefect's services", "Prefect server", "Redis", "proxy"] == found
