"""Hookline as a service, on a machine on which systemd boots: what docs/installing.md says, done."""

import json
import re
import shutil

import machine
import pytest

pytestmark = [pytest.mark.alone, pytest.mark.skipif(bool(machine.missing()), reason=str(machine.missing()))]

STORY = r"""
cd /opt/hookline
hookline() { runuser -u hookline -- .venv/bin/hookline "$@"; }
step() { echo; echo "== $*"; }

step refused; HOOKLINE_HOME=/tmp/data .venv/bin/hookline service install; echo "exit $?"
step foreign
echo "[Unit]" >/etc/systemd/system/hookline.service
.venv/bin/hookline service install; echo "exit $?"; cat /etc/systemd/system/hookline.service
rm /etc/systemd/system/hookline.service

step dry; .venv/bin/hookline service install --dry-run; ls /etc/systemd/system/hookline* .env /var/lib/hookline
echo HOOKLINE_SANDBOX=true >.env
step install; .venv/bin/hookline service install --backups /var/backups/hookline --now; echo "exit $?"
step again; .venv/bin/hookline service install --backups /var/backups/hookline --now; echo "exit $?"
step status; .venv/bin/hookline service status --json
step doctor; hookline doctor --json
step owner; stat -c '%U %a %n' .env /var/lib/hookline /var/backups/hookline

step order; echo '{"id": "Ev-1", "type": "invoice.paid"}' >/tmp/body.json; chmod 644 /tmp/body.json
hookline send standard /tmp/body.json --json
step backup; systemctl start hookline-backup; echo "exit $?"; ls /var/backups/hookline

step killed; kill -KILL "$(systemctl show hookline -p MainPID --value)"
while ! systemctl show hookline -p NRestarts | grep -q =1; do sleep 1; done
while ! systemctl is-active --quiet hookline; do sleep 1; done
systemctl show hookline -p NRestarts -p StatusText
step reload; systemctl reload hookline; sleep 3; systemctl is-active hookline
step files; find /var/lib/hookline -name '*.log' -o -name 'log'
step stop; systemctl stop hookline; systemctl show hookline -p Result -p ExecMainStatus
pgrep -u hookline -l; echo "left $?"

step wrong; echo HOOKLINE_GATEWAY_PORT=none >>.env; systemctl start hookline; sleep 8
systemctl show hookline -p ActiveState -p NRestarts
step changed; echo "# mine" >>/etc/systemd/system/hookline.service
.venv/bin/hookline service uninstall; echo "exit $?"
sed -i '$d' /etc/systemd/system/hookline.service
step uninstall; .venv/bin/hookline service uninstall; ls /etc/systemd/system/hookline*; ls -d /var/lib/hookline .env
step log; journalctl -t hookline -o cat --no-pager
"""


@pytest.fixture(scope="module")
def story(tmp_path_factory, repository):
    folder = tmp_path_factory.mktemp("opt")
    folder.chmod(0o755)
    machine.installed(folder, repository)
    log = machine.run(folder, STORY)
    shutil.rmtree(folder / "hookline")  # pytest would keep it
    return dict(part.partition("\n")[::2] for part in re.split(r"^== ", log, flags=re.MULTILINE)[1:])


def test_data_that_a_service_cannot_see_and_units_of_others_are_refused_in_words(story):
    assert ("sees nothing below /tmp" in story["refused"], True) == (True, "exit 2" in story["refused"])
    assert "was not written by `hookline service install`" in story["foreign"]
    assert story["foreign"].strip().endswith("exit 2\n[Unit]")


def test_a_dry_run_shows_the_unit_and_changes_nothing(story):
    assert "would write /etc/systemd/system/hookline.service" in story["dry"]
    assert "ProtectSystem=strict" in story["dry"]
    assert 3 == story["dry"].count("No such file or directory"), story["dry"]


def test_it_starts_and_is_ready_when_systemctl_returns_and_a_second_install_changes_nothing(story):
    [unit, _, timer] = json.loads(story["status"])

    assert "exit 0" in story["install"], story["install"]
    assert "All is installed as it should be." in story["again"]
    assert ("active (running)", "enabled", "ready") == (unit["active"], unit["at_boot"], unit["status"])
    assert ("active (waiting)", "enabled") == (timer["active"], timer["at_boot"])


def test_under_all_its_protection_it_does_its_work(story):
    problems = machine.problems(json.loads(story["doctor"].splitlines()[0]))

    assert [] == problems
    assert '"duplicate": false' in story["order"]
    assert "exit 0\nhookline-20" in story["backup"], story["backup"]


def test_settings_data_and_backups_are_its_user_s_alone(story):
    assert [
        "hookline 600 .env",
        "hookline 700 /var/lib/hookline",
        "hookline 700 /var/backups/hookline",
    ] == story["owner"].split("\n")[:3]


def test_killed_it_comes_back_and_stopped_it_leaves_nothing_behind(story):
    assert "NRestarts=1" in story["killed"]
    assert "active" == story["reload"].strip()
    assert "Result=success" in story["stop"]
    assert "ExecMainStatus=0" in story["stop"]
    assert "left 1" in story["stop"]


def test_a_wrong_setting_is_not_tried_for_ever(story):
    assert "ActiveState=failed" in story["wrong"]
    assert "HOOKLINE_GATEWAY_PORT" in story["log"]


def test_its_log_is_the_journal_s_with_one_time_a_line_and_no_file(story):
    assert "" == story["files"].strip()
    assert "hookline │ postgres ready" in story["log"]
    assert [] == re.findall(r"^.*\d\d:\d\d:\d\d.*\d\d:\d\d:\d\d", story["log"], re.MULTILINE)
    assert "Traceback" not in story["log"]


def test_it_goes_without_its_data_and_never_takes_a_changed_unit(story):
    assert "exit 2" in story["changed"]
    assert "cannot access '/etc/systemd/system/hookline*'" in story["uninstall"]
    assert "/var/lib/hookline" in story["uninstall"]
