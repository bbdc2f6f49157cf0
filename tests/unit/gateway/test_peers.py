"""Who a request comes from, and how often it failed."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline import peers
from hookline.peers import Attempts, is_loopback, peer

NOW = 1_800_000_000
TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32"))

anything = st.text() | st.text(alphabet="0123456789.:[]%,/ afx") | st.ip_addresses().map(str)


def scope(client, *forwarded):
    headers = [(b"x-forwarded-for", value.encode("latin-1", "replace")) for value in forwarded]
    return {"client": (client, 1) if client is not None else None, "headers": headers}


def test_so_many_failures_close_the_door_for_the_rest_of_the_minute():
    attempts = Attempts(10)
    for second in range(10):
        assert 0 == attempts.seconds_to_wait("10.0.0.1", NOW + second)
        attempts.count_failure("10.0.0.1", NOW + second)

    assert 51 == attempts.seconds_to_wait("10.0.0.1", NOW + 10)
    assert 0 == attempts.seconds_to_wait("10.0.0.2", NOW + 10)
    assert 0 == attempts.seconds_to_wait("10.0.0.1", NOW + 60)


def test_the_failure_too_many_is_told_once_a_minute():
    attempts = Attempts(3)

    told = [attempts.count_failure("10.0.0.1", NOW + second) for second in (0, 1, 2, 3, 60, 61, 62)]

    assert [False, False, True, False, False, False, True] == told


def test_failures_long_past_do_not_count():
    attempts = Attempts(10)
    for minutes in range(30):
        attempts.count_failure("10.0.0.1", NOW + 60 * minutes)

    assert 0 == attempts.seconds_to_wait("10.0.0.1", NOW + 60 * 29)


@pytest.mark.parametrize(
    ("failing", "same", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"),
    ],
    ids=["IPv6", "IPv4 within IPv6"],
)
def test_addresses_of_one_peer_count_as_one(failing, same, other):
    attempts = Attempts(1)
    attempts.count_failure(failing, NOW)

    assert attempts.seconds_to_wait(same, NOW) > 0
    assert 0 == attempts.seconds_to_wait(other, NOW)


@settings(deadline=None)
@given(st.lists(anything, max_size=50))
def test_counting_failures_takes_only_so_much_memory(some):
    attempts = Attempts(10)
    for number in range(peers.MAX_PEERS):
        attempts.count_failure(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", NOW)
    for each in some:
        attempts.count_failure(each, NOW)

    assert peers.MAX_PEERS == len(attempts)


@pytest.mark.parametrize(
    ("client", "forwarded", "expected"),
    [
        ("203.0.113.1", ["198.51.100.1"], "203.0.113.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["made-up, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.9", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("2001:db8::1", ["[2a00::1]:4711"], "2a00::1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        (None, ["198.51.100.1"], ""),
    ],
)
def test_the_peer_is_the_right_most_address_that_is_no_proxy_of_ours(client, forwarded, expected):
    assert expected == peer(scope(client, *forwarded), TRUSTED)


def test_without_trusted_proxies_nobody_is_believed():
    assert "10.0.0.1" == peer(scope("10.0.0.1", "198.51.100.1"), ())


@given(client=anything, forwarded=st.lists(anything, max_size=5))
def test_no_text_makes_it_raise(client, forwarded):
    found = peer(scope(client, *forwarded), TRUSTED)

    assert isinstance(found, str)
    Attempts(1).count_failure(found, NOW)
    is_loopback(found)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_known_by_its_addresses(address):
    assert is_loopback(address)
    assert not is_loopback("203.0.113.1")
