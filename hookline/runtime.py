"""
The bootstrap of a process: keys made on this machine, the sandbox's log-ins, Prefect's settings.

Everything is set in the environment of the process, which its children inherit; nothing is written to the user's own
Prefect profile.
"""

import base64
import getpass
import json
import os
import secrets
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

from hookline import project
from hookline.database.connection import prefect_database_url
from hookline.errors import ConfigurationError
from hookline.local_time import use_time_zone
from hookline.redaction import learn, mask_logs
from hookline.settings import (
    PREFECT_PATH,
    Settings,
    secrets_of_environment,
    settings,
    simulator_environment,
)
from hookline.source_secrets import secret_variable, values_of_environment
from hookline.waits.addresses import all_addresses

SHARED_SECRETS = ("HOOKLINE_ADMIN_TOKEN", "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_SERVER_ENCRYPTION_KEY")
"""What several machines with one Prefect must have in common; each is made on first use where there is one machine."""
SANDBOX_SOURCES = ("jiwa", "standard")
DAY_SECONDS = 86_400
SHORT_EVENTS = {
    "prefect.flow-run.heartbeat": 7 * DAY_SECONDS,  # as Prefect's own default
    **{f"prefect.task-run.{state}": DAY_SECONDS for state in ("Pending", "Running", "Completed")},
}
"""The seconds for which Prefect stores events of these kinds: nine tenths of all, and the task runs say the same."""


def bootstrap(*, sandbox: bool = False) -> Settings:
    """
    Prepare this process's environment and return its settings; its children find the same project.

    Args:
        sandbox: use the simulators for vendors that are not set; also done if `hookline up --sandbox` runs on this
            home, so that commands beside it reach the same vendors.

    Raises:
        ConfigurationError: the environment is not right, and names the variable; or the project's folder is not.
    """
    if sandbox or _sandbox_runs(settings().home):
        os.environ["HOOKLINE_SANDBOX"] = "true"
        settings.cache_clear()
    current = settings()
    use_time_zone(current.time_zone)
    _require_shared_secrets(current)
    if current.project:
        project.put_in_force(current.project)
    additions = prefect_environment(current)
    if current.sandbox:
        additions |= simulator_environment(current) | _sandbox_secrets(current.home)
    for name, value in additions.items():
        os.environ[name] = os.environ.get(name) or value
    addresses = (each.get_secret_value() for each in all_addresses().values())
    learn([*secrets_of_environment(), *values_of_environment(), *addresses, *_secrets_of_home(current.home)])
    mask_logs()
    return current


def shared_secrets(current: Settings) -> dict[str, str]:
    """Return what is made once and must be the same on every machine, by the variable that sets it."""
    auth = prefect_auth(current)
    token = current.admin_token.get_secret_value() if current.admin_token else ""
    return {
        "HOOKLINE_ADMIN_TOKEN": token or local_secret(current.home, "admin-token"),
        "PREFECT_SERVER_API_AUTH_STRING": auth,
        "PREFECT_API_AUTH_STRING": auth,
        "PREFECT_SERVER_ENCRYPTION_KEY": prefect_encryption_key(current),
    }


def _require_shared_secrets(current: Settings) -> None:
    """Refuse to make secrets of this machine alone where others serve the same Prefect."""
    if current.prefect_redis_url is None:
        return
    if missing := [name for name in SHARED_SECRETS if not os.environ.get(name)]:
        raise ConfigurationError(
            f"With HOOKLINE_PREFECT_REDIS_URL, several machines serve one Prefect, and each needs the same "
            f"{' and '.join(missing)}. On the first machine, before that variable is set there, "
            "`hookline secrets shared` prints the lines; put them into `.env` of each."
        )


def _secrets_of_home(home: Path) -> list[str]:
    """Return the secrets that `local_secret` has made."""
    secrets_made = []
    for path in (home / "secrets").glob("[!.]*"):
        with suppress(OSError, UnicodeDecodeError):
            secrets_made.append(path.read_text().strip())
    return secrets_made


def local_secret(home: Path, name: str, *, make: str | None = None) -> str:
    """
    Return a secret of this machine, made on first use, in a file of the home that only its owner may read.

    Args:
        home: the data folder.
        name: the file's name in `home/secrets`.
        make: the value to store on first use; without it, 32 random bytes.
    """
    path = home / "secrets" / name
    if not path.exists():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        file, draft = tempfile.mkstemp(prefix=f".{name}-", dir=path.parent)  # made with mode 0600
        with os.fdopen(file, "w") as opened:
            opened.write(make or secrets.token_urlsafe(32))
        with suppress(FileExistsError):  # another process was faster, and all use its secret
            os.link(draft, path)
        Path(draft).unlink()
    return path.read_text().strip()


def person() -> str:
    """Return the user of this command, for the audit trail."""
    return f"{getpass.getuser()} at {socket.gethostname()}"


def prefect_environment(current: Settings) -> dict[str, str]:
    """Return the settings of the Prefect server, worker and client, all under the home."""
    folder = current.home / "prefect"
    own_address = current.own_prefect_api_url.removesuffix("/api")
    return {
        "PREFECT_HOME": str(folder),
        "PREFECT_PROFILES_PATH": str(folder / "profiles.toml"),
        "PREFECT_API_URL": current.prefect_api_url,
        **_prefect_login(current),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": own_address,  # Prefect's default lets every web page in
        "PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1",  # Prefect's default is every interface
        "PREFECT_SERVER_UI_SERVE_BASE": PREFECT_PATH,
        "PREFECT_UI_URL": current.prefect_ui_url,  # what Prefect makes its own links of
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": prefect_database_url(current),
        # Otherwise the key would be made in the database that it protects.
        "PREFECT_SERVER_ENCRYPTION_KEY": prefect_encryption_key(current),
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(folder / "ui"),
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # Nothing phones home.
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # Task runs are recorded in batches: one at a time costs the server 25 ms each (docs/adr/0006).
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
        # Whole seconds: Prefect cuts the rest off, and at 0 its server spins.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        # Events as well, for the same reason.
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "100",
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "5",
        # Prefect's default keeps runs, their task runs and their logs for ever; events go after a week.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(current.keep_runs_days * DAY_SECONDS),
        "PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES": json.dumps(SHORT_EVENTS),
        # Prefect's default has no bound: a task mapped over 10,000 values would be 10,000 threads.
        "PREFECT_TASKS_RUNNER_THREAD_POOL_MAX_WORKERS": "64",
        **_prefect_messaging(current),
    }


def _prefect_messaging(current: Settings) -> dict[str, str]:
    """Return where the Prefect server keeps what is in no database: events on their way, leases, due work."""
    if current.prefect_redis_url is None:
        # In memory, a restart of its server would forget the leases, and their slots stay taken.
        return {
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem"
        }
    url = current.prefect_redis_url.get_secret_value()
    return {
        "PREFECT_SERVER_EVENTS_MESSAGING_BROKER": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_MESSAGING_CACHE": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
        "PREFECT_SERVER_WORKER_CHANNEL_CLEANUP_QUEUE_STORAGE": "prefect_redis.cleanup_queue",
        "PREFECT_REDIS_MESSAGING_URL": url,
        "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL": url,
        "PREFECT_SERVER_DOCKET_URL": url,
    }


def prefect_encryption_key(current: Settings) -> str:
    """Return the key with which Prefect encrypts blocks, made on first use unless the environment sets it."""
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return os.environ.get("PREFECT_SERVER_ENCRYPTION_KEY") or local_secret(
        current.home, "prefect-encryption-key", make=key
    )


def prefect_auth(current: Settings) -> str:
    """Return `user:password` of Hookline's own Prefect server, made on first use unless the environment sets it."""
    names = ("PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING")
    set_by_user = next((os.environ[name] for name in names if os.environ.get(name)), None)
    return set_by_user or local_secret(
        current.home, "prefect-auth", make=f"hookline:{secrets.token_urlsafe(32)}"
    )


def _prefect_login(current: Settings) -> dict[str, str]:
    """Return the log-in for server and clients; for another server, the user sets it."""
    if not current.has_own_prefect:
        return {}
    auth = prefect_auth(current)
    return {"PREFECT_SERVER_API_AUTH_STRING": auth, "PREFECT_API_AUTH_STRING": auth}


def write_pidfile(home: Path, *, sandbox: bool) -> None:
    """Write a file that tells other commands that this process runs, and whether on the sandbox."""
    record = {"pid": os.getpid(), "since": psutil.Process().create_time(), "sandbox": sandbox}
    _running_file(home).write_text(json.dumps(record))


def remove_pidfile(home: Path) -> None:
    """Remove that file."""
    _running_file(home).unlink(missing_ok=True)


def _sandbox_runs(home: Path) -> bool:
    try:
        record = json.loads(_running_file(home).read_text())
        # Another program may have the same process id now; in a container it is always 1.
        runs = psutil.Process(record["pid"]).create_time() == record.get("since")
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return False
    return runs and bool(record["sandbox"])


def _running_file(home: Path) -> Path:
    return home / "running.json"


def _sandbox_secrets(home: Path) -> dict[str, str]:
    return {
        secret_variable(source): local_secret(home, f"webhook-{source}", make=_new_secret())
        for source in SANDBOX_SOURCES
    }


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
