"""A secret that this process knows is masked wherever it stands: reasons, log lines, tracebacks."""

import io
import json
import logging
import subprocess
import sys
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from hookline import log, redaction, text
from hookline.clients.zentitle import ZentitleClient, ZentitleKey
from hookline.redaction import MASK, learn, mask, redact
from hookline.settings import secrets_of_environment
from hookline.source_secrets import values_of_environment

SECRET = 'pa"ss wörd/8f1c'


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setattr(redaction, "_known", redaction._Known())
    learn([SECRET])


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET, safe=""),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        repr(SECRET),
    ],
)
def test_in_whichever_way_it_is_written(written):
    assert MASK in mask(f"it says {written} here")
    assert "8f1c" not in mask(written) + redact(written)


def test_a_reason_holds_none_even_where_it_is_cut():
    for length in (0, 480, 495, 499, 5_000):
        assert "pa" not in text.reason("x" * length + SECRET)


def test_what_is_short_is_a_word():
    learn(["abc", ""])

    assert "abc" == mask("abc")


def test_the_bare_key_of_a_standard_webhook_is_one_too():
    learn(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])

    assert f"key {MASK}." == mask("key MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw.")


def test_a_vendors_key_is_known_once_a_client_is_made():
    ZentitleClient("https://zentitle.example", ZentitleKey("1234", SecretStr("of-a-block-123")))

    assert f"used {MASK}" == mask("used of-a-block-123")


def test_the_environment_holds_these(monkeypatch):
    monkeypatch.setenv("HOOKLINE_DATABASE_URL", "postgresql://me:p%40ss-word@host/hookline")
    monkeypatch.setenv("HOOKLINE_ADMIN_TOKEN", "admin-token-1")
    monkeypatch.setenv("HOOKLINE_SECRET_JIWA", "new-secret, old-secret")
    monkeypatch.setenv("JIWA_PASSWORD", "jiwa-password")
    monkeypatch.setenv("JIWA_USERNAME", "jiwa-user")

    found = {*secrets_of_environment(), *values_of_environment()}

    assert {"p@ss-word", "admin-token-1", "new-secret", "old-secret", "jiwa-password"} <= found
    assert "jiwa-user" not in found


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_line_of_the_log_holds_it_and_no_traceback(log_format, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        log.configure(log_format)
        logging.getLogger("hookline.test").warning("with %s in it", SECRET)
        logging.getLogger("hookline.test").error("it failed", exc_info=ValueError(SECRET))
    finally:
        root.handlers[:], root.level = before

    assert "8f1c" not in stream.getvalue()
    assert stream.getvalue().count(MASK) >= 2


def test_other_handlers_get_none_either():
    """As Prefect's, which sends the lines of a run to its server."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("hookline.test.other")
    logger.addHandler(handler)
    logger.error("with %s", SECRET, exc_info=ValueError(SECRET))
    logger.removeHandler(handler)

    assert "8f1c" not in stream.getvalue()


def test_a_process_knows_its_secrets_from_the_beginning(tmp_path):
    program = (
        "from hookline import runtime, redaction; runtime.bootstrap(sandbox=True);"
        "print(redaction.mask('key: swordfish-1 ' + (runtime.settings().home / 'secrets' / 'webhook-jiwa').read_text()))"
    )
    environment = {
        "HOOKLINE_HOME": str(tmp_path / "home"),
        "HOOKLINE_SECRET_SHOP": "swordfish-1",
        "PATH": "/usr/bin",
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=True,
    )

    assert f"key: {MASK} {MASK}" == done.stdout.strip()
