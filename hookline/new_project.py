"""A new project: the files of a firm's own folder, as `hookline init` writes them."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from hookline.errors import ConfigurationError
from hookline.project import CHECKOUT, SCHEMAS, SHIPPED, VERSION, is_project, require_path, write_schemas
from hookline.shipped_parts import PARTS
from hookline.text import one_line
from hookline.version import VERSION as HOOKLINE

FOLDERS: Final = ("flows", "vendors", "templates", "tests")
PRIVATE: Final = 0o600
MAX_NAMED: Final = 3
_HARMLESS: Final = {".git", ".DS_Store", "lost+found"}
"""What may be in a folder that counts as empty."""


def make_project(folder: Path) -> list[str]:
    """
    Make a project in a folder that is empty or not there; return its files, from the folder.

    Raises:
        ConfigurationError: the folder has something in it, is in another project, or cannot be written; nothing stays.
    """
    _require_place(folder)
    is_new = not folder.exists()
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in _texts(one_line(folder.name)).items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            written.append(path)
            path.touch(mode=PRIVATE if name == ".env" else 0o644, exist_ok=False)
            path.write_text(text, encoding="utf-8")
        write_schemas(folder)
    except OSError as error:
        _remove(folder, written, also_folder=is_new)
        raise ConfigurationError(f"Nothing was made: {error.filename or folder}: {error.strerror}.") from None
    return [str(path.relative_to(folder)) for path in written]


def _require_place(folder: Path) -> None:
    try:
        present = sorted(each.name for each in folder.iterdir()) if folder.exists() else []
        around = next((each for each in folder.parents if is_project(each)), None)
    except OSError as error:
        raise ConfigurationError(f"Nothing was made: {folder}: {error.strerror}.") from None
    require_path(folder)
    if folder == CHECKOUT or SHIPPED in (folder, *folder.parents):
        raise ConfigurationError(f"{folder} is Hookline itself. Choose a folder of your own.")
    if is_project(folder):
        raise ConfigurationError(
            f"{folder} is a project already. Check it: hookline doctor --project {folder}"
        )
    if found := [name for name in present if name not in _HARMLESS]:
        more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
        raise ConfigurationError(
            f"{folder} is not empty: it has {', '.join(map(one_line, found[:MAX_NAMED]))}{more}. "
            "Name a folder that is empty, or not there yet."
        )
    if around:
        raise ConfigurationError(
            f"{folder} would be a project inside of the project {around}. Put it beside that one."
        )


def _remove(folder: Path, written: list[Path], *, also_folder: bool) -> None:
    """Remove what was written, and the folders that are empty then."""
    with suppress(OSError):
        for path in [*written, *(folder / SCHEMAS).glob("*.json")]:
            path.unlink(missing_ok=True)
        for name in (*FOLDERS, SCHEMAS, SCHEMAS.parent):
            with suppress(FileNotFoundError):
                (folder / name).rmdir()
        if also_folder:
            folder.rmdir()


def _texts(firm: str) -> Mapping[str, str]:
    """Return the content of each file."""
    fill = {"firm": firm, "version": HOOKLINE}
    return {
        "hooks.yaml": _head("hooks", HOOKS) + "".join(_hooks()),
        "catalog.yaml": _head("catalog", CATALOG) + _after_comment(SHIPPED / "catalog.yaml"),
        "prefect.yaml": _head("prefect", PREFECT)
        + f"name: {json.dumps(firm, ensure_ascii=False)}\n"
        + f"{VERSION}: {fill['version']}  # of Hookline, which made this folder\n\n"
        + "".join(_listed("deployments", PARTS["workflow"]())),
        "automations.yaml": _head("automations", AUTOMATIONS)
        + "".join(_listed("automations", PARTS["automation"]())),
        ".env": ENV + _settings(),
        ".gitignore": GITIGNORE,
        "README.md": README.format(**fill),
        "conftest.py": CONFTEST,
        "pyproject.toml": PYPROJECT,
        **{f"{name}/.gitkeep": "" for name in FOLDERS},
    }


def _head(name: str, text: str) -> str:
    return f"# yaml-language-server: $schema={SCHEMAS}/{name}.json\n{text}\n"


def _hooks() -> Iterator[str]:
    yield "sources:\n"
    yield from _aligned(
        (f"  {name}: {{use: {name}}}", _source(each)) for name, each in PARTS["source"]().items()
    )
    yield "\nroutes:\n"
    routes = PARTS["route"]().items()
    yield from _aligned(
        (f"  {name}: {{use: {name}}}", f"{each['source']} starts {each['deployment']}")
        for name, each in routes
    )


def _source(source: Mapping[str, Any]) -> str:
    if poll := source.get("poll"):
        return f"{poll['operation']}, read every {poll['every']}"
    return "handed over by a flow" if source.get("internal") else f"a sender, {source['scheme']}"


def _listed(section: str, parts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield f"{section}:\n"
    yield from _aligned((f"  - use: {name}", str(each["description"])) for name, each in parts.items())


def _aligned(lines: Iterator[tuple[str, str]]) -> Iterator[str]:
    """Yield lines, each with its comment, one below the other."""
    pairs = list(lines)
    width = max(len(line) for line, _ in pairs)
    for line, comment in pairs:
        yield f"{line:{width}}  # {comment}\n"


def _after_comment(path: Path) -> str:
    """Return what a shipped file has, without the comment at its top."""
    return re.sub(r"\A(#.*\n)+\n*", "", path.read_text(encoding="utf-8"))


def _settings() -> str:
    """Return all settings as `.env.example` declares them, but for the one by which `.env` itself is found."""
    text = _after_comment(CHECKOUT / ".env.example")
    return re.sub(r"^# .*\n# HOOKLINE_PROJECT=.*\n\n", "", text, flags=re.MULTILINE)


def next_commands(folder: Path, program: str) -> list[str]:
    """Return the commands that a person types next."""
    return [
        f"cd {shlex.quote(str(folder))}",
        f"{program} up --sandbox",
        f"{program} demo",
        f"{program} new flow NAME",
    ]


HOOKS: Final = """\
# Which senders are believed, which lists are polled, and what their deliveries start.
# `use` takes a shipped part by its name, and an upgrade brings what is new in it. What stands beside it is laid over
# it: `jiwa-orders: {use: jiwa-orders, poll: {every: 5m}}`. Take away what you do not need; add parts of your own.
# Secrets are in .env: HOOKLINE_SECRET_<SOURCE>; a source without one is off.
"""
CATALOG: Final = """\
# What the parts of a Jiwa order bring in Zentitle, and the mail that goes out. It is yours alone: nothing is taken
# from elsewhere. The numbers are those of the sandbox: put in yours before real orders come.
"""
PREFECT: Final = """\
# The deployments, in Prefect's own notation. `hookline apply` makes them.
# `use` takes a shipped workflow by its name, and an upgrade brings what is new in it. What stands beside it is laid
# over it, such as schedules, parameters, tags, concurrency_limit, work_pool, or a `name` for a second deployment:
#   - use: reconcile
#     schedules: [{cron: "30 3 * * *", timezone: Europe/Vienna}]
"""
AUTOMATIONS: Final = """\
# The automations, in Prefect's own notation. `hookline apply` makes them.
# Where Prefect wants an id, a name does: `deployment: flow/deployment`, `block: block-type/block`.
# `use` takes a shipped automation by its name; what stands beside it is laid over it, such as `enabled: false`.
"""
ENV: Final = """\
# The settings and secrets of this project: for its owner's eyes alone, and never in Git.
# Take the number sign away from what you set. A variable in the environment wins over this file.

"""
GITIGNORE: Final = """\
.env
.hookline/
__pycache__/
.pytest_cache/
.ruff_cache/
.mypy_cache/
"""
CONFTEST: Final = '''\
"""Let the tests find flows and vendors of this project as Hookline does."""

from pathlib import Path

from hookline.project import put_in_force

put_in_force(Path(__file__).parent)
'''
PYPROJECT: Final = """\
# For pytest and ruff alone: this folder is a project of Hookline, no package of Python.
[tool.pytest.ini_options]
testpaths = ["tests", "vendors"]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"

[tool.ruff]
line-length = 110
"""
README: Final = """\
# {firm}

The workflows of {firm}, on Hookline. This folder is yours alone: an upgrade of Hookline changes nothing in it.

| here | is |
| --- | --- |
| `hooks.yaml` | who may send, which lists are polled, and which flow a delivery starts |
| `catalog.yaml` | the rules of the business: products, mails, days |
| `prefect.yaml` | the deployments: shipped workflows by `use`, and your own flows |
| `automations.yaml` | when whom to notify |
| `flows/`, `tests/` | your own flows, and their tests |
| `templates/` | your own texts: `order-to-license/mail.de.j2` takes the place of the shipped one |
| `vendors/` | clients of vendors that Hookline does not ship |
| `.env` | settings and secrets; not in Git |
| `.hookline/` | data: databases, keys, logs, and the schemas by which an editor checks these files; not in Git |

Commands find this folder from anywhere in it; from elsewhere, `--project` or `HOOKLINE_PROJECT` names it.
`hookline` and `python` are those of Hookline's `.venv/bin`; activate it once in each shell.

```bash
hookline up --sandbox       # run all of it against simulated vendors, no account needed
hookline demo               # see the main job from webhook to note
hookline new flow NAME      # a flow of your own, with test, deployment and route
hookline new source PRESET  # a sender of webhooks
python -m pytest            # run your tests (needs `make dev` in Hookline's folder, once)
hookline apply --dry-run    # see what would change, and every mistake with its line
hookline up                 # with your vendors, from .env
```

After an upgrade of Hookline: `hookline doctor`, then `hookline apply --dry-run`.
Made by Hookline {version}.
"""
