"""`hookline inbox stats`: how much there is, by source and state."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hookline.cli.inbox.filters import ask, pause_told
from hookline.cli.output import AsJson, console, print_json, show
from hookline.inbox.stats import COUNT_CAP, Source, by_source
from hookline.states import DELIVERIES


def stats(*, as_json: AsJson = False) -> None:
    """
    Count deliveries by source and state; the oldest that is open, the last received, repeats, pauses.

    Times are UTC. Where there are more than ten thousand, a number with a + is the least that there are: so it
    stays quick however much is kept.

    Try:
        hookline inbox stats
        hookline inbox stats --json
    """
    found = ask(by_source)
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
        name: f"{moment:%Y-%m-%d %H:%M:%S}"
        for name, moment in (("oldest_open", entry.oldest_open), ("last_received", entry.last_received))
        if moment
    }
    return {"source": entry.source, **counts, **times, "duplicates": entry.duplicates or None}


def _remarks(found: Sequence[Source]) -> list[str]:
    told = [pause_told(entry.source, entry.paused) for entry in found if entry.paused]
    if any(entry.at_least for entry in found):
        told.append(f"+ at least so many; repeats are those of the latest {COUNT_CAP:,} of a source.")
    return told
