"""Links lead somewhere, cited files and tests exist, the decisions are indexed, and no place of one machine is named."""

import ast
import re
import shutil
import subprocess
from functools import cache
from urllib.parse import unquote

import pytest
import yaml
from documents import PAGES, ROOT, blocks, codes, name, prose

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CITED_TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
CITED_PATH = re.compile(r"(?:hookline|flows|tasks|blocks|deployments|docs|tests|benchmarks)/[\w./-]*\w/?")
WRITTEN_BY_READERS = {block.mark for block in blocks("python") if block.mark.startswith("flows/")}
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
ADR_PARTS = ["Context", "Decision", "Consequences", "Alternatives", "Held by"]
# A character class around one letter keeps these lines from finding themselves.
PLACES = re.compile("/[w]ork/|/[h]ome/[a-z]|/[r]oot/|/[U]sers/[A-Za-z]")
REGISTRIES = re.compile("[p]ypi[.](org|io)|[p]ythonhosted[.]org|[n]pmjs[.]|[g]olang[.]org|/[s]imple/")


def links(page):
    return [target for target in LINK.findall(prose(page)) if not re.match(r"[a-z]+:", target)]


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(page, target):
    path, _, anchor = unquote(target).partition("#")
    place = (page.parent / path).resolve() if path else page
    return place.exists() and (not anchor or anchor in anchors(place))


def test_each_link_and_image_leads_somewhere():
    every = [(page, target) for page in PAGES for target in links(page)]

    broken = [f"{name(page)} to {target}" for page, target in every if not leads_somewhere(page, target)]

    assert len(every) > 200
    assert [] == broken


def test_each_workflow_has_a_page_with_the_picture_of_its_run_and_no_picture_is_unused():
    targets = {page: {(page.parent / target).resolve() for target in links(page)} for page in PAGES}
    deployed = yaml.safe_load((ROOT / "deployments/prefect.yaml").read_text())["deployments"]
    workflows = {each["entrypoint"].partition(":")[2].replace("_", "-") for each in deployed} - {"notify"}
    pages = {page.stem: page for page in PAGES if page.parent.name == "workflows"}

    pictured = {
        each
        for each, page in pages.items()
        if (ROOT / f"docs/images/prefect/{each}.png").resolve() in targets[page]
    }
    images = {each.resolve() for each in (ROOT / "docs/images").rglob("*.*")}
    assert workflows == pictured
    assert set() == images - set().union(*targets.values())


def test_every_test_that_a_page_cites_exists():
    cited = {
        (name(page), *cite) for page in PAGES for code in codes(page) for cite in CITED_TEST.findall(code)
    }

    missing = [(page, path, test) for page, path, test in cited if test not in functions_of(path)]

    assert len(cited) > 100
    assert [] == sorted(missing)


@cache
def functions_of(path):
    try:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    except OSError:
        return set()
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_claim_on_security_names_its_test_or_says_that_there_is_none():
    lines = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").splitlines()
    claims = [
        line for line in lines if line.startswith(("- ", "| ")) and not line.startswith(("| ---", "| what |"))
    ]
    headings = [line for line in claims if lines[lines.index(line) + 1].startswith("| ---")]

    held = [line for line in claims if "`tests/" in line or "*no test*" in line]

    assert 40 < len(held)
    assert [] == [line for line in claims if line not in held and line not in headings]


def test_every_file_that_a_page_names_exists():
    named = {(name(page), code.partition("::")[0]) for page in PAGES for code in codes(page)}

    missing = [
        (page, path)
        for page, path in named
        if CITED_PATH.fullmatch(path) and path not in WRITTEN_BY_READERS and not (ROOT / path).exists()
    ]

    assert [] == sorted(missing)


def test_every_page_can_be_reached_from_the_readme():
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        targets = {(page.parent / unquote(target).partition("#")[0]).resolve() for target in links(page)}
        waiting += [target for target in targets if target in PAGES and target not in seen]

    assert set() == set(PAGES) - seen


def test_each_decision_has_the_form_of_all():
    assert [] == [path.name for path in ADRS if not _has_the_form(path)]


def _has_the_form(path):
    text = path.read_text(encoding="utf-8")
    head = re.match(
        rf"# {path.name[:4]} .+\n\n- Status: (accepted|superseded by \[\d{{4}}\].*)\n- Date: \d{{4}}-\d\d-\d\d\n",
        text,
    )
    parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
    decisions = re.findall(r"^> .+$", text, re.MULTILINE)
    return head and parts == ADR_PARTS and len(decisions) == 1


def test_every_decision_is_in_the_index_once_and_numbered_in_a_row():
    index = ROOT / "docs" / "adr" / "README.md"
    titles = [
        path.read_text(encoding="utf-8").splitlines()[0].removeprefix(f"# {path.name[:4]} ") for path in ADRS
    ]

    listed = re.findall(
        r"^\| \[(\d{4})\]\(([^)]+)\) \| (.+) \|$", index.read_text(encoding="utf-8"), re.MULTILINE
    )

    assert [
        (f"{number:04d}", path.name, title)
        for number, (path, title) in enumerate(zip(ADRS, titles, strict=True), 1)
    ] == listed


def test_every_decision_that_the_code_cites_exists():
    numbers = {path.name[:4] for path in ADRS}

    cited = {
        found
        for path in text_files()
        for found in re.findall(r"docs/adr/(\d{4})", path.read_text(encoding="utf-8", errors="replace"))
    }

    assert set() == cited - numbers


def test_no_text_names_a_place_on_one_machine_or_a_package_registry():
    """The repository must mean the same on every machine, and must not name where it was made."""
    found = [
        f"{name(path)}:{number}: {line.strip()[:120]}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if PLACES.search(line) or REGISTRIES.search(line) or str(ROOT) + "/" in line
    ]

    assert [] == found


def text_files():
    """Return every text file of the repository that git has, or would add."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what belongs to the repository is not known")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = [ROOT / each for each in listed.stdout.split("\0") if each]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8000]]
