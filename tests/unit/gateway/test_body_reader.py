"""Costly bodies: each source has one confined process at most, so that no source takes the turns of another."""

import asyncio
from pathlib import Path

import pytest

from hookline.gateway import body_reader
from hookline.gateway.body_reader import Reader
from hookline.gateway.intake import RequestData
from hookline.gateway.request_parsing import Rejection
from hookline.hooks.sources import read_source
from hookline.schemes import SignedRequest

SOURCE = read_source({"scheme": "shared-secret", "redact": ["$[?match(@.a, '(a|aa)+b')]"]}, Path())
ENDLESS = b'[{"a": "' + b"a" * 60 + b'"}]'
SHORT = b'[{"a": "b"}]'


@pytest.fixture
async def read():
    reader = Reader({"costly": SOURCE, "other": SOURCE})
    await reader.warm()

    async def read(source, body):
        signed = SignedRequest({}, body=body)
        request = RequestData(SOURCE.spec, "POST", "application/json", {}, (), (), signed)
        return await reader.read(source, request)

    yield read
    reader.close()


async def test_a_source_with_costly_bodies_waits_for_itself_while_another_is_served(read):
    finished = []

    async def note(name, source, body):
        try:
            await read(source, body)
        except Rejection as rejection:
            name = f"{name}: {rejection.status}"
        finished.append(name)

    await asyncio.gather(
        note("first", "costly", ENDLESS), note("second", "costly", SHORT), note("third", "other", SHORT)
    )

    assert ["third", "first: 503", "second"] == finished


async def test_a_costly_body_that_waits_too_long_for_its_source_is_to_be_sent_again(read, monkeypatch):
    monkeypatch.setattr(body_reader, "TURN_TIMEOUT_SECONDS", 0.1)

    endless, waiting = await asyncio.gather(
        read("costly", ENDLESS), read("costly", SHORT), return_exceptions=True
    )

    assert (503, 503) == (endless.status, waiting.status)
    assert ["The body took too long", "Cannot store this now;"] == [
        each.detail[:22] for each in (endless, waiting)
    ]
