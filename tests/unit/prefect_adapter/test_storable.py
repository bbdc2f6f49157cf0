"""The ways from this process to Prefect's server: whatever goes there can be stored."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect import states
from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient
from prefect.events.schemas.events import Event

from hookline.prefect_adapter import storable

storable.install()

HOSTILE = {"a\x00": ["b\ud800", 2**63, -(2**63), float("nan"), {"deep": ("\x00", True, None, 10**6000)}]}
STORABLE = {
    "a\ufffd": ["b\ufffd", str(2**63), -(2**63), "nan", {"deep": ["\ufffd", True, None, hex(10**6000)]}]
}


@pytest.mark.parametrize("client", [PrefectHttpxAsyncClient, PrefectHttpxSyncClient])
def test_whatever_a_client_of_prefect_sends_can_be_stored(client):
    request = client(base_url="http://prefect").build_request("POST", "/logs/", json=HOSTILE)

    assert STORABLE == json.loads(request.content)


def test_a_state_made_ready_for_the_server_can_be_stored():
    made = states.to_state_create(states.Failed(message="a\x00b\ud800", name="x\x00"))

    assert ("a\ufffdb\ufffd", "x\ufffd") == (made.message, made.name)
    assert made.model_dump(mode="json")


def test_an_event_can_be_stored():
    event = Event(
        event="prefect.task-run.Failed",
        resource={"prefect.resource.id": "one", "prefect.state-message": "a\x00b\ud800"},
        related=[{"prefect.resource.id": "two", "prefect.resource.role": "tag", "name": "\x00"}],
        payload=HOSTILE,
    )

    assert event.size_bytes > 0
    assert (STORABLE, "a\ufffdb\ufffd", "\ufffd") == (
        event.payload,
        event.resource["prefect.state-message"],
        event.related[0]["name"],
    )


def test_it_is_installed_once_however_often_install_is_called():
    before = PrefectHttpxAsyncClient.build_request
    storable.install()

    assert before is PrefectHttpxAsyncClient.build_request


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=5,
)


@given(JSON)
def test_whatever_is_sent_is_json_of_utf_8_without_nul_and_of_64_bits(value):
    sent = json.dumps(storable.storable_json(value), ensure_ascii=False, allow_nan=False)

    def fits(digits):
        assert -(2**63) <= int(digits) < 2**63

    sent.encode()
    json.loads(sent, parse_int=fits)
    assert "\\u0000" not in sent
