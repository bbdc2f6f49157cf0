"""`hookline inbox stats`: counts by source and state."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hookline.cli.inbox.filters import on_database, pause_remark
from hookline.cli.output import AsJson, console, print_json, show
from hookline.inbox.stats import COUNT_CAP, Source, by_source
from hookline.local_time import table_time
from hookline.states import DELIVERIES


def stats(*, as_json: AsJson = False) -> None:
    """
    Count deliveries by source and state, with the oldest open one, the last received, duplicates and pauses.

    Times are those of HOOKLINE_TIME_ZONE. A number with a + means at least so many: it counts no further than ten
    thousand, to stay fast.

    Try:
        hookline inbox stats
        hookline inbox stats --json
    """
    found = on_database(by_source)
    if as_json:
        print_json([asdict(entry) for entry in found])
        return
    used = [state for state in DELIVERIES.states if any(state in entry.states for entry in found)]
    show(
        [_row(entry) for entry in found],
        ["source", *used, "oldest_open", "last_received", "duplicates"],
        as_json=False,
    )
    for remark in _remarks(found):
        console().print(remark, style="dim")


def _row(entry: Source) -> dict[str, Any]:
    counts = {state: f"{n:,}{'+' * (state in entry.at_least)}" for state, n in entry.states.items()}
    times = {
        name: table_time(moment)
        for name, moment in (("oldest_open", entry.oldest_open), ("last_received", entry.last_received))
        if moment
    }
    return {"source": entry.source, **counts, **times, "duplicates": entry.duplicates or None}


def _remarks(found: Sequence[Source]) -> list[str]:
    remarks = [pause_remark(entry.source, entry.paused) for entry in found if entry.paused]
    if any(entry.at_least for entry in found):
        remarks.append(f"+ at least so many; duplicates are those of the latest {COUNT_CAP:,} of a source.")
    return remarks
