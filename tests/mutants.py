"""
Changes lines of the code where safety lies, one at a time, and tells which changes no test notices: `make mutants`.

mutmut makes the changes (mutants) and runs the tests that reach each. A change of the words of a sentence is left out:
texts for people are no matter of safety. A whole run takes hours; `--sample` takes so many mutants of each module.

    python -m tests.mutants [MODULE...] [--sample NUMBER] [--seed NUMBER] [--write]
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
NOT_KILLED = {0: "survived", 5: "no test", 33: "no test", None: "not run"}
"""What mutmut's exit code of a mutant means; with any other a test failed, broke or ran out of time: killed."""


def main() -> int:
    """Run mutmut on the chosen mutants, print the survivors, and a line for each module."""
    arguments, show = _arguments(), Console(soft_wrap=True, highlight=False, markup=False).print
    shutil.rmtree(FOLDER, ignore_errors=True)
    _mutmut("hookline.clients.paging.x__*")  # makes all mutants, and learns which tests reach which
    chosen = _chosen(arguments)
    show(f"{len(chosen)} mutants of {len({_module(name) for name in chosen})} modules")
    _mutmut(*chosen)
    results = {name: code for name, code in _results().items() if name in chosen}
    for name, code in sorted(results.items()):
        if code in NOT_KILLED:
            show(f"\n{NOT_KILLED[code]}: {name}\n{_difference(name)}")
    table = _table(results)
    show(table)
    if arguments.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[1])
    parser.add_argument("modules", nargs="*", help="such as hookline.journal; without it, all")
    parser.add_argument("--sample", type=int, help="so many mutants of each module, by chance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE}")
    return parser.parse_args()


def _mutmut(*names: str) -> None:
    with Path("mutants.log").open("ab") as log:
        command = [Path(sys.executable).with_name("mutmut"), "run", *names]
        ended = subprocess.run(command, stdout=log, stderr=log)
    if ended.returncode:
        sys.exit(f"mutmut ended with {ended.returncode}; the end of mutants.log says why")


def _results() -> dict[str, int | None]:
    found = {}
    for meta in FOLDER.rglob("*.py.meta"):
        found |= json.loads(meta.read_text())["exit_code_by_key"]
    return found


def _chosen(arguments: argparse.Namespace) -> list[str]:
    by_module: dict[str, list[str]] = {}
    for module, name in _meaningful():
        if not arguments.modules or module.startswith(tuple(arguments.modules)):
            by_module.setdefault(module, []).append(name)
    draw = random.Random(arguments.seed)
    return [
        name
        for _, names in sorted(by_module.items())
        for name in (draw.sample(names, min(arguments.sample, len(names))) if arguments.sample else names)
    ]


def _meaningful() -> Iterator[tuple[str, str]]:
    """Each mutant that changes more than the words of a sentence, with its module."""
    for meta in sorted(FOLDER.rglob("*.py.meta")):
        functions = _functions(meta.with_suffix(""))
        module = ".".join(meta.with_suffix("").with_suffix("").relative_to(FOLDER).parts)
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
    """Takes sentences, and what is put in their place, for the same."""

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


def _table(results: dict[str, int | None]) -> str:
    counts: dict[str, Counter[str]] = {}
    for name, code in results.items():
        counts.setdefault(_module(name), Counter())[NOT_KILLED.get(code, "killed")] += 1
    rows = ["| module | mutants | killed | survived | no test |", "| --- | --- | --- | --- | --- |"]
    total = sum(counts.values(), Counter())
    for module, count in (*sorted(counts.items()), ("all", total)):
        number = sum(count.values())
        rows.append(
            f"| {module} | {number} | {count['killed'] * 100 // number} % | {count['survived']} | {count['no test']} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
