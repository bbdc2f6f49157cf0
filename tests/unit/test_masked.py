"""What authenticates a sender is masked wherever it stands in what is stored of its request."""

import pytest
from pydantic import SecretStr

from hookline.schemes.redaction import REDACTED, masked

SECRETS = [SecretStr("s3cret/with=signs"), SecretStr("another-secret")]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("key s3cret/with=signs", f"key {REDACTED}"),
        ("?a=s3cret%2fwith%3Dsigns&b=1", f"?a={REDACTED}&b=1"),
        ("another-secret and s3cret/with=signs", f"{REDACTED} and {REDACTED}"),
        ("nothing of it", "nothing of it"),
    ],
)
def test_a_secret_is_masked_plain_and_as_addresses_write_it(text, left):
    assert left == masked(text, SECRETS)


def test_without_secrets_a_text_stays_as_it_is():
    assert "s3cret/with=signs" == masked("s3cret/with=signs", [])
