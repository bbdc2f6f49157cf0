"""
Plays schedules of the journal until one is wrong: `make simulate`, `make simulate SCHEDULES=1000000`.

    python -m tests.simulation [--schedules NUMBER] [--first SEED] [--kind KIND]...

Each seed is played once of each kind: `within`, with a vendor that keeps to its landing time, where nothing may be done
twice; `beyond`, with one that does not, where every double must be shown; and `goes-back`, with a database that goes
back in time.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from os import cpu_count

from rich.progress import track

from tests.simulation.schedule import KINDS, Problem, Schedule

BLOCK = 1_000


def main() -> int:
    """Play the schedules and print what is wrong; return 1 if anything is."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--schedules", type=int, default=100_000, help="how many, of each kind")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only schedules of this kind")
    arguments = parser.parse_args()
    starts = range(arguments.first, arguments.first + arguments.schedules, BLOCK)
    end = arguments.first + arguments.schedules
    wrong = 0
    with ProcessPoolExecutor(cpu_count()) as pool:
        ends = (min(start + BLOCK, end) for start in starts)
        played = pool.map(partial(play, arguments.kind or list(KINDS)), starts, ends)
        for problems in track(played, "Schedules", total=len(starts), transient=True):
            for problem in problems:
                wrong += 1
                print(problem, flush=True)  # noqa: T201
    print(f"{arguments.schedules} schedules of each kind: {wrong} wrong")  # noqa: T201
    return 1 if wrong else 0


def play(kinds: list[str], start: int, end: int) -> list[str]:
    """Play the schedules of these seeds, of these kinds; return what is wrong."""
    problems = []
    for seed in range(start, end):
        for kind in kinds:
            try:
                Schedule(seed, **KINDS[kind]).play()
            except Problem as problem:
                problems.append(f"{problem} ({kind})")
    return problems


if __name__ == "__main__":
    sys.exit(main())
