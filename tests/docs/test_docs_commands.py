"""Every command, option, verb and variable on the pages exists."""

import re
import shlex

from cyclopts import CycloptsError
from documents import PAGES, ROOT, blocks, codes, name

from hookline.cli import app
from hookline.cli.call import read_inputs
from hookline.cli.operations import find_operation
from hookline.errors import HooklineError
from hookline.settings import VENDORS

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
VERBS = set(re.findall(r"^([a-z]+):.*##", MAKEFILE, re.MULTILINE))
MAKE_VARIABLES = set(re.findall(r"\$\(([A-Z]+)\)", MAKEFILE)) | set(
    re.findall(r"^([A-Z]+) \?=", MAKEFILE, re.MULTILINE)
)
VARIABLES = set(
    re.findall(r"^# ([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
)
OUR_VARIABLE = re.compile(r"(HOOKLINE|JIWA|ZENTITLE|SENSORPRO|JETADVICE|JIFELINE)_[A-Z_]+[A-Z]")
NOT_COMMANDS = {"hookline ready"}
"""Printed by `hookline up`."""
NOT_SETTINGS = {
    "HOOKLINE_SECRET_JIWA_NORTH",
    "HOOKLINE_SECRET_WAREHOUSE",
    "HOOKLINE_PERSON_ANNA_BERG",
    "HOOKLINE_PERSON_BOSS",
}
"""The pages' own examples of a source and of people."""


def names(parent=app, before="hookline"):
    """Yield the names of all commands and groups: prose may name one without its arguments."""
    for each in parent:
        if not each.startswith("-"):
            yield f"{before} {each}"
            yield from names(parent[each], f"{before} {each}")


COMMANDS = set(names())


def typed():
    """Yield each command of ours in the pages, with its place."""
    for block in blocks("bash", "console"):
        lines = block.text.replace("\\\n", " ").splitlines()
        if block.language == "console":  # the rest is output
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        for line in lines:
            for command in _simple(line):
                yield f"{block}: {shlex.join(command)}", command
    for page in PAGES:
        for code in sorted(set(codes(page)) - NOT_COMMANDS - COMMANDS):
            if code.startswith(("hookline ", "make ")) and "…" not in code and "COMMAND" not in code:
                yield f"{name(page)}: {code}", shlex.split(code)


def _simple(line):
    """Yield the simple commands of a line that are ours, as words."""
    words = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    words.whitespace_split = True
    command = []
    for word in [*words, ";"]:
        if set(word) <= set("|&;"):
            while command and re.fullmatch(r"[A-Z_]+=.*", command[0]):
                command.pop(0)
            if command and command[0] in ("hookline", "make"):
                yield command
            command = []
        else:
            command.append(word)


TYPED = dict(typed())
HOOKLINE = {place: words[1:] for place, words in TYPED.items() if words[0] == "hookline"}
MAKE = {place: words[1:] for place, words in TYPED.items() if words[0] == "make"}


def test_the_pages_name_commands_at_all():
    """An empty collection would pass every test below."""
    assert (True, True) == (len(HOOKLINE) > 50, len(MAKE) > 5)


def test_each_command_is_one_that_hookline_accepts():
    problems = {place: _problem_of_command(words) for place, words in HOOKLINE.items()}

    assert {} == {place: problem for place, problem in problems.items() if problem}


def _problem_of_command(words):
    try:
        app.parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return str(error)
    return None


def test_each_call_names_an_operation_and_its_inputs():
    calls = {
        place: words
        for place, words in HOOKLINE.items()
        if words[0] == "call" and len([word for word in words if not word.startswith("-")]) > 2
    }

    problems = {place: _problem_of_call(words) for place, words in calls.items()}

    assert len(problems) > 5
    assert {} == {place: problem for place, problem in problems.items() if problem}


def _problem_of_call(words):
    _, vendor, operation, *inputs = [word for word in words if not word.startswith("-")]
    whole = not any(
        "…" in each or "@" in each.partition("=")[0] + each.partition("=")[2][:1] for each in inputs
    )
    try:
        found = find_operation(vendor, operation)
        if whole and "--help" not in words:
            read_inputs(found, inputs)
    except HooklineError as error:
        return str(error)
    return [each for each in inputs if re.split(r":?=", each)[0] not in found.input.model_fields]


def test_each_verb_and_variable_of_make_is_in_the_makefile():
    known = VERBS | {f"{variable}=" for variable in MAKE_VARIABLES}

    unknown = {
        (place, word)
        for place, words in MAKE.items()
        for word in words
        if "".join(word.partition("=")[:2]) not in known
    }

    assert set() == unknown


def test_each_variable_is_one_of_ours():
    """The glossary also names those that are gone."""
    named = {
        (name(page), found[0])
        for page in PAGES
        if page.name != "glossary.md"
        for found in OUR_VARIABLE.finditer(page.read_text(encoding="utf-8"))
        if not found[0].endswith(("HOOKLINE_SECRET", "HOOKLINE_TOKEN", "HOOKLINE_PERSON"))
    }

    of_accounts = {
        variable
        for _, variable in named
        if any(kind.accounts_in({variable: "set"}) for kind in VENDORS.values())
    }
    assert [] == sorted(each for each in named if each[1] not in VARIABLES | NOT_SETTINGS | of_accounts)
