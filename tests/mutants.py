"""
Changes lines of the code where safety lies, one at a time, and tells which changes no test notices: `make mutants`.

mutmut makes the changes (mutants) and runs the tests that reach each. A change of the words of a sentence is left out:
texts for people are no matter of safety. A whole run takes hours; `--sample` takes so many mutants of each module.

    python -m tests.mutants [MODULE...] [--sample NUMBER] [--seed NUMBER] [--again] [--write]
"""

import argparse
import ast
import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

FOLDER = Path("mutants")
PAGE = Path("docs/testing.md")
BEGIN, END = "<!-- mutants: begin -->", "<!-- mutants: end -->"
RUN = """
import sys
from mutmut.__main__ import _run
from mutmut.workers.isolation import ForkRunner
ForkRunner.run_clean_tests = lambda *_, **__: 0
_run(sys.argv[1:], max_children=2)
"""
"""Runs mutmut without its second run of all tests: they passed when it learned which reach what, minutes before."""
NOT_KILLED = {0: "survived", 5: "no test", 33: "no test", None: "not run"}
TIMED_OUT = dict.fromkeys((-24, -9, 24, 36, 152, 255), "timed out")
"""What mutmut's exit code of a mutant means; with any other a test failed or broke: killed. So is what timed out."""
Counts = dict[str, Counter[str]]
"""What came of the mutants of each module."""


def main() -> int:
    """Run mutmut on the chosen mutants, print the survivors, and a line for each module."""
    arguments, show = _arguments(), Console(soft_wrap=True, highlight=False, markup=False).print
    if not arguments.again:
        shutil.rmtree(FOLDER, ignore_errors=True)
        _mutmut("hookline.clients.paging.x__*")  # makes all mutants, and learns which tests reach which
    chosen = _chosen(arguments)
    known = _results()
    to_run = [name for name in chosen if known[name] in NOT_KILLED]
    show(
        f"{len(to_run)} of {len(chosen)} mutants of {len({_module(name) for name in chosen})} modules are run"
    )
    _mutmut(*to_run)
    results = {name: code for name, code in _results().items() if name in chosen}
    for name, code in sorted(results.items()):
        if code in NOT_KILLED:
            show(f"\n{NOT_KILLED[code]}: {name}\n{_difference(name)}")
    counts = _counts(results)
    show(_table(counts))
    if arguments.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        written, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n{_table(_written(written) | counts)}\n{END}{after}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[1])
    parser.add_argument("modules", nargs="*", help="such as hookline.journal; without it, all")
    parser.add_argument("--sample", type=int, help="so many mutants of each module, by chance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--again", action="store_true", help="go on after the last run: what was killed stays killed"
    )
    parser.add_argument("--write", action="store_true", help=f"put its rows into the table of {PAGE}")
    return parser.parse_args()


def _mutmut(*names: str) -> None:
    with Path("mutants.log").open("ab") as log:
        ended = subprocess.run([sys.executable, "-c", RUN, *names], stdout=log, stderr=log)
    if ended.returncode:
        sys.exit(f"mutmut ended with {ended.returncode}; the end of mutants.log says why")


def _results() -> dict[str, int | None]:
    found = {}
    for meta in FOLDER.rglob("*.py.meta"):
        found |= json.loads(meta.read_text())["exit_code_by_key"]
    return found


def _chosen(arguments: argparse.Namespace) -> list[str]:
    by_module: dict[str, list[str]] = {}
    for module, name in _meaningful(tuple(arguments.modules) or ("",)):
        by_module.setdefault(module, []).append(name)
    known, draw = _results(), random.Random(arguments.seed)
    chosen = []
    for _, names in sorted(by_module.items()):
        draw.shuffle(names)
        run_before = sorted(names, key=lambda name: known[name] is None) if arguments.again else names
        chosen += run_before[: arguments.sample]
    return chosen


def _meaningful(wanted: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each mutant of these modules that changes more than the words of a sentence, with its module."""
    for meta in sorted(FOLDER.rglob("*.py.meta")):
        module = ".".join(meta.with_suffix("").with_suffix("").relative_to(FOLDER).parts)
        if not module.startswith(wanted):
            continue
        functions = _functions(meta.with_suffix(""))
        for name in json.loads(meta.read_text())["exit_code_by_key"]:
            short = name.removeprefix(f"{module}.")
            original = functions[f"{short.rpartition('__mutmut_')[0]}__mutmut_orig"]
            if _without_sentences(functions[short]) != _without_sentences(original):
                yield module, name


def _functions(file: Path) -> dict[str, ast.AST]:
    tree = ast.parse(file.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name: node for node in ast.walk(tree) if isinstance(node, kinds)}


class _Wordless(ast.NodeTransformer):
    """Takes sentences, what is put in their place, lines of the log and types for the same."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = ast.unparse(node.func)
        if called.startswith("logger."):
            return ast.Constant(None)
        if called == "cast" and len(node.args) == 2:
            return node.args[1]
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        is_sentence = isinstance(node.value, str) and " " in node.value.strip()
        return ast.Constant(None) if is_sentence else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant(None)


def _without_sentences(function: ast.AST) -> str:
    copied = ast.parse(ast.unparse(function)).body[0]
    copied.name = ""
    return ast.dump(_Wordless().visit(copied))


def _difference(name: str) -> str:
    shown = subprocess.run(
        [Path(sys.executable).with_name("mutmut"), "show", name], capture_output=True, text=True, check=True
    )
    lines = shown.stdout.splitlines()
    return "\n".join(line for line in lines if line[:1] in "+-" and line[:3] not in {"+++", "---"})


def _module(name: str) -> str:
    return name.rpartition(".")[0]


def _counts(results: dict[str, int | None]) -> Counts:
    """Count what came of the mutants of each module."""
    counts: Counts = {}
    for name, code in results.items():
        outcome = (NOT_KILLED | TIMED_OUT).get(code, "failed")
        if outcome != "not run":
            counts.setdefault(_module(name), Counter())[outcome] += 1
    return counts


def _written(table: str) -> Counts:
    """Read the table of the page: rows of modules that were not run stay."""
    counts: Counts = {}
    for line in table.splitlines():
        module, *numbers = [each.strip() for each in line.strip("|").split("|")]
        if module.startswith("hookline."):
            number, _, timed_out, survived, no_test = numbers
            others = {"timed out": int(timed_out), "survived": int(survived), "no test": int(no_test)}
            counts[module] = Counter(failed=int(number) - sum(others.values()), **others)
    return counts


def _table(counts: Counts) -> str:
    rows = ["| module | mutants | killed | by a time-out | survived | no test |", "| --- " * 6 + "|"]
    total = sum(counts.values(), Counter())
    for module, count in (*sorted(counts.items()), ("all", total)):
        number, killed = count.total(), count["failed"] + count["timed out"]
        rows.append(
            f"| {module} | {number} | {killed * 100 // number} % | {count['timed out']} | {count['survived']} "
            f"| {count['no test']} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
