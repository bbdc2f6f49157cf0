"""
Projects as older versions of Hookline made them, and as firms changed them, start with this one.

Nothing in tests/samples/projects may be changed to let this pass: firms have such folders. A new version adds its own.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hookline import project
from hookline.catalog import read_catalog
from hookline.hooks import load_hooks
from hookline.polling.fit import wrong_polls
from hookline.provisioning.automations import load_automations
from hookline.provisioning.deployments import check_routes, load_deployments
from hookline.settings import Settings
from hookline.texts import Texts, read_texts

SAMPLES = sorted(path for path in (Path(__file__).parents[1] / "samples" / "projects").iterdir())


@pytest.fixture(params=SAMPLES, ids=lambda path: path.name)
def sample(request, tmp_path, monkeypatch):
    """A copy of a project, in force."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(sys, "path", sys.path.copy())
    os.environ.pop("HOOKLINE_HOME", None)
    folder = tmp_path / request.param.name
    shutil.copytree(request.param, folder)
    project.put_in_force(folder)
    return folder


def test_an_older_project_is_in_force_with_all_that_the_firm_decided(sample):
    settings = Settings.from_environment()
    hooks, deployments = load_hooks(settings.hooks), load_deployments(settings.deployments)
    check_routes(hooks, deployments)
    assert wrong_polls(hooks) == {}
    written = {path.stem: yaml.safe_load(path.read_text()) for path in sample.glob("*.yaml")}
    assert (set(hooks.sources), [each.name for each in hooks.routes]) == (
        set(written["hooks"]["sources"]),
        list(written["hooks"]["routes"]),
    )
    entries = written["prefect"]["deployments"]
    assert [each.name for each in deployments.values()] == [each.get("name", "default") for each in entries]
    for found, entry in zip(deployments.values(), entries, strict=True):
        assert found.concurrency_limit == entry.get("concurrency_limit", found.concurrency_limit)
        assert set(entry.get("tags", ())) <= set(found.tags)
        assert entry.get("parameters", {}).items() <= found.parameters.items()
        assert [each["cron"] for each in entry.get("schedules", [])] in (
            [each.cron for each in found.schedules],
            [],
        )
    names = [each.get("name", each.get("use")) for each in written["automations"]["automations"]]
    assert [each.name for each in load_automations(settings.automations)] == names
    assert read_catalog(settings.catalog)


def test_its_own_text_is_used_and_the_others_are_shipped(sample):
    texts = Texts.of_settings(Settings.from_environment(), "en")
    assert texts.misplaced() == []
    own = {each.path.relative_to(sample) for each in texts.templates() if each.path.is_relative_to(sample)}
    assert own == {path.relative_to(sample) for path in (sample / "templates").rglob("*.j2")}
    assert asyncio.run(read_texts(texts))


def test_it_says_which_version_made_it(sample):
    assert (project.made_by(sample), project.why_too_new(sample)) == (sample.name, None)


def test_its_own_tests_pass(sample):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=sample, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
