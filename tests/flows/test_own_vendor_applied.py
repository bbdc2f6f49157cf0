"""`hookline apply` on a vendor that the core does not know: its block, its limits, and a flow run that calls it."""

import asyncio
import json
import os

import pytest
from commands import run_process
from projects import add_lager7, add_vendor, new_project

from hookline.project import SHIPPED

FILES = ("HOOKS", "CATALOG", "DEPLOYMENTS", "AUTOMATIONS")


@pytest.fixture
def project(tmp_path):
    folder = new_project(tmp_path / "acme")
    (folder / "hooks.yaml").write_text("sources: {}\nroutes: {}\n")
    (folder / "prefect.yaml").write_text("deployments: []\n")
    (folder / "catalog.yaml").write_text((SHIPPED / "catalog.yaml").read_text())
    (folder / "automations.yaml").write_text("automations: []\n")
    add_lager7(folder)
    add_vendor(folder, "broken", vendor="raise SystemExit('the moon')")
    return folder


@pytest.mark.usefixtures("sandbox")
async def test_a_dry_run_names_its_block_its_limit_and_the_package_that_is_broken(project):
    variables = {
        name: value for name, value in os.environ.items() if name.removeprefix("HOOKLINE_") not in FILES
    }
    login = {
        "LAGER7_BASE_URL": "https://lager7.example",
        "LAGER7_API_KEY": "the-key-of-the-test",
        "LAGER7_CONCURRENT_CALLS": "3",
    }

    ended = await asyncio.to_thread(
        run_process, "apply", "--dry-run", "--json", cwd=project, env=variables | login
    )

    assert 2 == ended.returncode, ended.stderr
    rows = {(row["kind"], row["name"]): row["change"] for row in json.loads(ended.stdout)}
    ours = {name: change for name, change in rows.items() if "lager7" in name[1]}
    assert {"block", "block type", "limit"} >= {kind for kind, _ in ours}
    assert len(ours) >= 2, rows
    assert rows["vendor", "broken"].startswith("left alone: The vendor broken cannot be used")
    assert "the-key-of-the-test" not in ended.stdout + ended.stderr
