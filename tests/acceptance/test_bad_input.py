"""Wrong files and a wrong environment: a clear word, the right exit code, no traceback, nothing started."""

import json
import os
import socket

import psutil
import pytest
from commands import run_here, run_process

GOOD_HOOKS = "deployments/hooks.yaml"


def hookline(repository, home, *arguments, run=run_here, **environment):
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("HOOKLINE_", "PREFECT_"))
    }
    return run(*arguments, cwd=repository, env=clean | {"HOOKLINE_HOME": str(home)} | environment)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"HOOKLINE_GATEWAY_PORT": "abc"}, "HOOKLINE_GATEWAY_PORT: "),
        ({"HOOKLINE_GATEWAY_PORT": "70000"}, "HOOKLINE_GATEWAY_PORT: "),
        ({"HOOKLINE_DATABASE_URL": "mysql://x"}, "HOOKLINE_DATABASE_URL: "),
        ({"HOOKLINE_HOOKS": "nowhere.yaml"}, "Cannot read nowhere.yaml: No such file or directory."),
        ({"HOOKLINE_CATALOG": "nowhere.yaml"}, "Cannot read nowhere.yaml: No such file or directory."),
    ],
)
def test_up_says_what_is_wrong_and_starts_nothing(repository, tmp_path, environment, message):
    ended = hookline(repository, tmp_path, "up", "--sandbox", **environment)

    assert (2, "") == (ended.returncode, ended.stdout)
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not [
        p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])
    ]


def test_up_names_the_port_that_is_taken_and_the_variable_that_changes_it(repository, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = hookline(repository, tmp_path, "up", "--sandbox", run=run_process, HOOKLINE_GATEWAY_PORT=port)

    assert 1 == ended.returncode
    assert f"Port {port}, for the gateway" in ended.stderr
    assert "HOOKLINE_GATEWAY_PORT" in ended.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "order-to-license/default",
            "order-to-licence/default",
            "there is no deployment 'order-to-licence/default'",
        ),
        (
            "invoice_id:",
            "invoice_no:",
            "routes.jiwa-order.parameters.invoice_no: the flow has no such parameter",
        ),
        ("{{ body.InvoiceID }}", "{{ bdy.InvoiceID }}", "routes.jiwa-order.parameters.invoice_id: uses bdy"),
        (
            "{{ body.InvoiceID }}",
            "{{ body.InvoiceID }",
            "routes.jiwa-order.parameters.invoice_id: cannot be read",
        ),
        ("source: jiwa", "source: jiva", "routes.jiwa-order.source: there is no source 'jiva'"),
        ("scheme: shared-secret", "scheme: password", "sources.jiwa"),
    ],
)
def test_the_engine_refuses_hooks_that_do_not_fit_and_names_the_place(
    repository, tmp_path, old, new, message
):
    hooks = tmp_path / "hooks.yaml"
    hooks.write_text((repository / GOOD_HOOKS).read_text().replace(old, new))

    ended = hookline(repository, tmp_path, "engine", HOOKLINE_HOOKS=str(hooks))

    assert 2 == ended.returncode
    assert str(hooks) in ended.stderr
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("environment", "checks"),
    [
        (
            {
                "HOOKLINE_HOOKS": "pyproject.toml",
                "HOOKLINE_CATALOG": ".",
                "HOOKLINE_DEPLOYMENTS": "{broken}",
                "PREFECT_API_URL": "nonsense",
            },
            ["hooks.yaml", "catalog.yaml", "prefect.yaml", "Prefect API"],
        ),
        ({"HOOKLINE_GATEWAY_PORT": "none"}, ["environment"]),
        ({"HOOKLINE_HOME": "/dev/null"}, ["HOOKLINE_HOME"]),
    ],
)
def test_the_doctor_finds_what_is_broken_and_never_breaks_itself(repository, tmp_path, environment, checks):
    flows = {"exits": "import sys\nsys.exit(0)", "dies": "import os\nos._exit(0)", "wrong": "def f(:"}
    for name, text in flows.items():
        (tmp_path / f"of_doctor_{name}.py").write_text(text)
    entries = [
        {"name": name, "entrypoint": f"of_doctor_{name}.py:f", "work_pool": {"name": "p"}} for name in flows
    ]
    broken = tmp_path / "prefect.yaml"
    broken.write_text(json.dumps({"deployments": entries}))
    given = {name: value.format(broken=broken) for name, value in environment.items()}

    ended = hookline(
        repository, tmp_path, "doctor", "--json", run=run_process, PYTHONPATH=str(tmp_path), **given
    )

    found = {each["check"] for each in json.loads(ended.stdout) if each["state"] == "problem"}
    assert (1, []) == (ended.returncode, [check for check in checks if check not in found])
    assert "Traceback" not in ended.stderr
    assert "HOOKLINE_DEPLOYMENTS" not in environment or "of_doctor_dies.py ends the process" in ended.stdout


def test_a_command_without_a_database_says_how_to_start_one(repository, tmp_path):
    ended = hookline(repository, tmp_path, "inbox", "list", run=run_process)

    assert 1 == ended.returncode
    assert "Start it with `hookline up`" in ended.stderr


def test_send_without_a_gateway_says_so(repository, tmp_path):
    ended = hookline(
        repository,
        tmp_path,
        "send",
        "jiwa",
        "pyproject.toml",
        HOOKLINE_SECRET_JIWA="a-secret-of-the-test",
        HOOKLINE_GATEWAY_PORT="9",
    )

    assert 1 == ended.returncode
    assert "The gateway does not answer" in ended.stderr
    assert "a-secret-of-the-test" not in ended.stderr
