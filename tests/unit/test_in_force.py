"""The last good version of `hooks.yaml` and of the catalog holds until a new one is good."""

import itertools
import json
import shutil
import stat
from pathlib import Path

import pytest

from hookline.catalog import catalog_in_force
from hookline.errors import ConfigurationError
from hookline.hooks import hooks_in_force
from hookline.hooks.config import routes_record
from hookline.in_force import OFF, STAYS, LastGood

SOURCES = {"shop": {"scheme": "shared-secret"}, "bank": {"scheme": "standard-webhooks"}}
ROUTES = {"paid": {"source": "shop", "deployment": "a/b"}, "booked": {"source": "bank", "deployment": "c/d"}}


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "hooks.yaml"


@pytest.fixture
def load(path, home):
    """What is in force with this text in the file, as an engine has it."""

    def write_and_load(text=None, *, sources=SOURCES, routes=ROUTES, **more):
        path.write_text(
            text if text is not None else json.dumps({"sources": sources, "routes": routes}), "utf-8"
        )
        hooks = hooks_in_force(path, home, **more)
        routes_record(home, path).write({route.name: route.spec for route in hooks.routes if not route.off})
        return hooks

    return write_and_load


def told(hooks):
    return [(problem.kind, problem.name, problem.instead) for problem in hooks.problems]


@pytest.mark.parametrize(
    "text",
    ["", "sources: {", "sources: [1]", "- a", "\x00", "sources: {}\nsources: {}", "routes: {}", "a: *b"],
)
def test_a_file_that_cannot_be_read_leaves_all_in_force_also_for_the_next_process(load, path, text):
    load()

    twice = [load(text), load(text)]

    assert [({"shop", "bank"}, ["paid", "booked"])] * 2 == [
        (set(hooks.sources), [route.name for route in hooks.routes]) for hooks in twice
    ]
    assert [[("file", str(path), STAYS)]] * 2 == [told(hooks) for hooks in twice]


def test_a_file_that_is_gone_leaves_all_in_force(load, path, home):
    load()
    path.unlink()

    assert {"shop", "bank"} == set(hooks_in_force(path, home).sources)


def test_a_file_that_was_never_good_is_refused(load):
    with pytest.raises(ConfigurationError, match="is not YAML"):
        load("sources: {")
    with pytest.raises(ConfigurationError, match=r"sources\.shop\.scheme"):
        load(sources={"shop": {"scheme": "none"}}, routes={})


@pytest.mark.parametrize(
    "wrong",
    [
        {"scheme": "none"},
        {},
        "text",
        None,
        7,
        {"scheme": "shared-secret", "header": "a b"},
        {"scheme": "shared-secret", "schema": "gone.json"},
        {"scheme": "shared-secret", "schema": {"$ref": "https://example.com"}},
        {"scheme": "shared-secret", "redact": ["$..["]},
        {"scheme": "shared-secret", "id": "{{ body"},
        {"scheme": ["shared-secret"]},
        {"preset": {"a": 1}},
    ],
)
def test_a_source_that_is_wrong_keeps_its_last_good_version_and_the_others_are_new(load, wrong):
    load(sources=SOURCES | {"shop": {"scheme": "shared-secret", "header": "X-First"}})

    hooks = load(sources={"shop": wrong, "bank": {"scheme": "shared-secret"}})

    assert ("X-First", "shared-secret") == (
        hooks.sources["shop"].auth_scheme.header,
        hooks.sources["bank"].auth_scheme.name,
    )
    assert [("source", "shop", STAYS)] == told(hooks)


def test_a_source_that_was_never_good_is_off_by_itself(load):
    load()

    hooks = load(sources=SOURCES | {"new": {"scheme": "none"}})

    assert ({"shop", "bank"}, [("source", "new", OFF)]) == (set(hooks.sources), told(hooks))


def test_a_source_whose_last_good_version_is_of_no_use_any_more_is_off(load):
    def refuse(name, source):
        if name == "shop":
            raise ValueError("its secret is too short")

    load()

    hooks = load(check=refuse)

    assert [("source", "shop", OFF)] == told(hooks)
    assert {"bank"} == set(hooks.sources)


def test_a_source_that_was_taken_out_of_the_file_is_gone(load):
    load()

    hooks = load(sources={"bank": SOURCES["bank"]}, routes={})

    assert (["bank"], []) == (list(hooks.sources), told(hooks))


@pytest.mark.parametrize(
    "wrong",
    [
        {"deployment": "nowhere"},
        {"source": "nobody"},
        {"when": "body is"},
        {"parameters": {"a": "{{ boddy }}"}},
        {"key": "{{"},
        {"more": 1},
    ],
)
def test_a_route_that_is_wrong_keeps_its_last_good_version_and_the_others_are_new(load, wrong):
    load()

    hooks = load(routes={"paid": ROUTES["paid"] | wrong, "booked": ROUTES["booked"] | {"deployment": "e/f"}})

    assert {"paid": "a/b", "booked": "e/f"} == {route.name: route.deployment for route in hooks.routes}
    assert [None, None] == [route.off for route in hooks.routes]
    assert [("route", "paid", STAYS)] == told(hooks)


@pytest.mark.parametrize(
    ("wrong", "blind"),
    [
        ({"parameters": {"a": "{{ boddy }}"}}, False),
        ({"deployment": "nowhere"}, False),
        ({"when": "body is"}, True),
    ],
)
def test_a_route_that_was_never_good_is_off_and_says_what_it_would_take(load, wrong, blind):
    load()

    hooks = load(routes=ROUTES | {"new": {"source": "shop", "deployment": "a/b"} | wrong})

    [new] = [route for route in hooks.routes if route.off]
    assert ("new", "shop", blind, True) == (new.name, new.source, new.blind, "routes.new" in new.off)
    assert [("route", "new", OFF)] == told(hooks)


def test_what_was_mended_is_in_force_again(load):
    load()
    load("sources: {")

    hooks = load(sources={"shop": {"scheme": "shared-secret", "header": "X-New"}}, routes={})

    assert ({"shop"}, "X-New", []) == (
        set(hooks.sources),
        hooks.sources["shop"].auth_scheme.header,
        told(hooks),
    )


def test_the_last_good_file_is_of_one_path_alone(load, home, tmp_path):
    load()

    with pytest.raises(ConfigurationError, match="Cannot read"):
        hooks_in_force(tmp_path / "another.yaml", home)


def test_what_is_kept_may_be_read_by_its_owner_alone(load, home):
    load()

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (home / "in-force").iterdir()}
    assert ({0o600}, 0o700) == (set(modes.values()), stat.S_IMODE((home / "in-force").stat().st_mode))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"parts": 1}', "\x00"])
def test_a_record_that_is_broken_counts_as_none(home, path, text):
    record = LastGood(home, "sources", path)
    record.write({"a": "b"})
    next((home / "in-force").iterdir()).write_text(text)

    assert None is record.read()


def test_a_record_of_another_version_switches_off_and_breaks_nothing(load, home, path):
    load()
    LastGood(home, "sources", path).write({"shop": "{}", "bank": "no json"})

    hooks = load("sources: {")

    assert {} == hooks.sources


def test_a_home_that_cannot_be_written_to_breaks_nothing(load, home):
    home.write_text("a file")

    assert {"shop", "bank"} == set(load().sources)


def test_the_last_good_catalog_holds_until_a_new_one_is_good(repository, tmp_path):
    path, text = tmp_path / "catalog.yaml", (repository / "deployments/catalog.yaml").read_text()
    path.write_text(text)
    good, none = catalog_in_force(path, tmp_path)

    path.write_text(text.replace("days: 365", "days: many"))
    held, problem = catalog_in_force(path, tmp_path)
    path.write_text(text.replace("days: 365", "days: 366"))
    new, none_again = catalog_in_force(path, tmp_path)

    assert (good, None, None) == (held, none, none_again)
    assert (str(path), STAYS, True) == (problem.name, problem.instead, "products.1.days" in problem.detail)
    assert 366 == new.products[1].days


def test_a_catalog_that_was_never_good_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="Cannot read"):
        catalog_in_force(tmp_path / "catalog.yaml", tmp_path)


# A mounted ConfigMap: the files are links into a folder that a link leads to, which is replaced by each change


@pytest.fixture
def mounted(tmp_path):
    """Put texts into a folder as Kubernetes does it; return the path of `hooks.yaml`."""
    mount = tmp_path / "mount"
    mount.mkdir()
    numbers = itertools.count()

    def put(text):
        folder = mount / f"..2026_11_29_{next(numbers)}"
        folder.mkdir()
        (folder / "hooks.yaml").write_text(text)
        before = (mount / "..data").readlink() if (mount / "..data").is_symlink() else None
        (mount / "..data_tmp").symlink_to(folder.name)
        (mount / "..data_tmp").rename(mount / "..data")
        if before is None:
            (mount / "hooks.yaml").symlink_to("..data/hooks.yaml")
        else:
            shutil.rmtree(mount / before)
        return mount / "hooks.yaml"

    return put


def test_what_was_good_stays_in_force_when_a_link_is_replaced_by_a_wrong_file(mounted, home):
    path = mounted(json.dumps({"sources": SOURCES, "routes": ROUTES}))
    hooks_in_force(path, home)
    mounted("sources: {")

    hooks = [hooks_in_force(path, home), hooks_in_force(path, home)]

    assert [({"shop", "bank"}, [("file", str(path), STAYS)])] * 2 == [
        (set(each.sources), told(each)) for each in hooks
    ]


def test_a_file_that_is_right_again_behind_a_replaced_link_is_in_force(mounted, home):
    path = mounted(json.dumps({"sources": SOURCES, "routes": {}}))
    hooks_in_force(path, home)
    mounted("sources: {")
    hooks_in_force(path, home)
    mounted(json.dumps({"sources": {"post": {"scheme": "shared-secret"}}, "routes": {}}))

    assert (["post"], ()) == (
        list(hooks_in_force(path, home).sources),
        tuple(hooks_in_force(path, home).problems),
    )


def test_a_path_and_the_same_from_the_folder_one_is_in_have_one_record(home, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    LastGood(home, "catalog", path).write({"a": "b"})

    assert {"a": "b"} == LastGood(home, "catalog", Path(path.name)).read()
