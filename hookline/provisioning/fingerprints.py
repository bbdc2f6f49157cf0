"""The secret that a subscription was made with, where its vendor shows none: a fingerprint, under HOOKLINE_HOME."""

import hashlib
import hmac
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

NAME: Final = "jiwa-subscriptions.json"
MAX_BYTES: Final = 1_000_000


class Fingerprints:
    """Of each subscription that was made here, a fingerprint of its secret, from which nobody learns it."""

    def __init__(self, home: Path) -> None:
        self._path = home / NAME

    def matches(self, subscription: str, secret: str) -> bool | None:
        """Return whether a subscription was made with this secret; None if nothing is known of it."""
        known = self._read().get(subscription)
        return known if known is None else hmac.compare_digest(str(known), _of(subscription, secret))

    def note(self, subscription: str, secret: str) -> None:
        """Write down with which secret a subscription was made."""
        self._write(self._read() | {subscription: _of(subscription, secret)})

    def forget(self, subscription: str) -> None:
        """Forget a subscription that is deleted."""
        known = self._read()
        if known.pop(subscription, None) is not None:
            self._write(known)

    def _read(self) -> dict[str, Any]:
        with suppress(OSError, ValueError), self._path.open("rb") as file:
            content = json.loads(file.read(MAX_BYTES))
            return content if isinstance(content, dict) else {}
        return {}

    def _write(self, known: dict[str, Any]) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(known))
        draft.replace(self._path)


def _of(subscription: str, secret: str) -> str:
    return hmac.new(secret.encode(), subscription.encode(), hashlib.sha256).hexdigest()
