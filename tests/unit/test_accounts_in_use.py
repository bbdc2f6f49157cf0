"""What counts as a simulator: nothing that is not surely one of this machine's sandbox."""

import pytest

from hookline.provisioning.accounts_in_use import is_simulator
from hookline.settings import Settings


@pytest.mark.parametrize(
    ("address", "sandbox", "expected"),
    [
        ("http://127.0.0.1:8410", True, True),
        ("http://localhost:8414/", True, True),
        ("http://127.0.0.1:8410", False, False),
        ("http://127.0.0.1:8416", True, False),
        ("http://127.0.0.1:8409", True, False),
        ("http://127.0.0.1.evil.example:8410", True, False),
        ("https://api.zentitle.com", True, False),
        ("http://127.0.0.1", True, False),
        ("http://[::1", True, False),
        ("", True, False),
    ],
)
def test_only_an_address_of_this_machine_s_sandbox_is_a_simulator(address, sandbox, expected):
    settings = Settings(sandbox=sandbox, sandbox_port=8410)

    assert expected == is_simulator(settings, address)
