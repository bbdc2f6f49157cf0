"""
Plays schedules of the journal until one is wrong: `make simulate`, `make simulate SCHEDULES=1000000`.

    python -m tests.simulation [--schedules NUMBER] [--first SEED]

Each seed is played twice: with a vendor that keeps to its landing time, where nothing may be done twice, and with one
that does not, where every double must be shown.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from os import cpu_count

from rich.progress import track

from tests.simulation.schedule import Problem, Schedule

BLOCK = 1_000


def main() -> int:
    """Play the schedules and print what is wrong; return 1 if anything is."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--schedules", type=int, default=100_000, help="how many, of each kind")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    arguments = parser.parse_args()
    starts = range(arguments.first, arguments.first + arguments.schedules, BLOCK)
    end = arguments.first + arguments.schedules
    wrong = 0
    with ProcessPoolExecutor(cpu_count()) as pool:
        played = pool.map(play, starts, (min(start + BLOCK, end) for start in starts))
        for problems in track(played, "Schedules", total=len(starts), transient=True):
            for problem in problems:
                wrong += 1
                print(problem)  # noqa: T201
    print(f"{arguments.schedules} schedules of each kind: {wrong} wrong")  # noqa: T201
    return 1 if wrong else 0


def play(start: int, end: int) -> list[str]:
    """Play the schedules of these seeds, of both kinds; return what is wrong."""
    problems = []
    for seed in range(start, end):
        for beyond in (False, True):
            try:
                Schedule(seed, beyond=beyond).play()
            except Problem as problem:
                problems.append(f"{problem} ({'beyond the landing time' if beyond else 'within it'})")
    return problems


if __name__ == "__main__":
    sys.exit(main())
