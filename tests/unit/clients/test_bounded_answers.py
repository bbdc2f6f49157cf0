"""Whatever a vendor answers costs little, can be stored, and ends its own call alone."""

import asyncio
import gzip
import json
import tracemalloc
import zlib

import httpx
import pytest

from hookline.clients import UnexpectedAnswer, Unreachable
from hookline.clients.answers import MAX_ANSWER_BYTES, MAX_DEPTH, json_value
from hookline.clients.jetadvice import JetadviceClient
from hookline.clients.jifeline import JifelineClient

DEBTOR = {"DebtorID": "1", "AccountNo": "A1", "Name": "x"}


def packed(pieces, wbits=31):
    """Packed text of so many pieces of a mebibyte of zeros."""
    packer = zlib.compressobj(9, wbits=wbits)
    zeros = b"0" * 2**20
    return b"".join([*(packer.compress(zeros) for _ in range(pieces)), packer.flush()])


class Stream(httpx.AsyncByteStream):
    """An answer in chunks, that knows how much of it was read."""

    def __init__(self, chunks):
        self.chunks = chunks
        self.read = 0
        self.closed = False

    async def __aiter__(self):
        for chunk in self.chunks:
            self.read += len(chunk)
            yield chunk

    async def aclose(self):
        self.closed = True


def answering(stream, status=200, **headers):
    return lambda request: httpx.Response(status, headers=headers, stream=stream)


def in_chunks(content, size=65_536):
    return [content[start : start + size] for start in range(0, len(content), size)]


@pytest.mark.parametrize("wbits", [31, 15], ids=["gzip", "deflate"])
async def test_an_answer_that_unpacks_to_gigabytes_costs_little(client_for, wbits):
    bomb = packed(300, wbits)
    stream = Stream(in_chunks(bomb))
    headers = {"content-encoding": "gzip" if wbits > 15 else "deflate"}

    async with client_for("jiwa", answering(stream, **headers)) as client:
        tracemalloc.start()
        with pytest.raises(UnexpectedAnswer) as error:
            await client.create_debtor(AccountNo="1", Name="x")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert (True, False, True) == (error.value.maybe_applied, error.value.transient, stream.closed)
    assert f"it is larger than {MAX_ANSWER_BYTES} bytes" in str(error.value)
    assert peak < 50 * 2**20


async def test_an_answer_that_never_ends_is_left(client_for):
    stream = Stream(b" " * 65_536 for _ in range(10**9))

    async with client_for("jiwa", answering(stream)) as client:
        with pytest.raises(UnexpectedAnswer) as error:
            await client.get_system_info()

    assert stream.read <= MAX_ANSWER_BYTES + 65_536
    assert not error.value.transient


async def test_packed_nothing_that_never_ends_is_left(client_for):
    packer = zlib.compressobj(wbits=31)
    nothing = packer.compress(b"") + packer.flush(zlib.Z_SYNC_FLUSH)
    stream = Stream([nothing, *[b"\x00\x00\x00\xff\xff" * 13_000 for _ in range(400)]])

    async with client_for("jiwa", answering(stream, **{"content-encoding": "gzip"})) as client:
        with pytest.raises(UnexpectedAnswer):
            await client.get_system_info()

    assert stream.read <= MAX_ANSWER_BYTES + 65_536


async def test_a_log_in_that_answers_without_end_leaves_the_call_unsent(client_for):
    stream = Stream(b" " * 65_536 for _ in range(10**9))

    async with client_for("sensorpro", answering(stream)) as client:
        with pytest.raises(Unreachable) as error:
            await client.trigger_email(
                CampId="x", BroadcastId=1, ContactData={"PersonalEMail": "a@example.com"}
            )

    assert not error.value.maybe_applied


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, lambda content: content])
async def test_a_packed_answer_is_read(client_for, pack):
    content = pack(json.dumps(DEBTOR).encode())
    how = (
        {}
        if content.startswith(b"{")
        else {"content-encoding": "gzip" if content[:1] == b"\x1f" else "deflate"}
    )

    async with client_for("jiwa", answering(Stream([content[:9], content[9:]]), **how)) as client:
        debtor = await client.get_debtor(DebtorID="1")

    assert "A1" == debtor.AccountNo


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (gzip.compress(b"{}")[:-9], "gzip"),
        (b"{}", "br"),
        (gzip.compress(gzip.compress(b"{}")), "gzip, gzip"),
        (b"no gzip", "gzip"),
    ],
    ids=["cut off", "unknown", "twice", "none"],
)
async def test_what_cannot_be_unpacked_is_an_answer_that_cannot_be_read(client_for, content, encoding):
    async with client_for("jiwa", answering(Stream([content]), **{"content-encoding": encoding})) as client:
        with pytest.raises(UnexpectedAnswer) as error:
            await client.create_debtor(AccountNo="1", Name="x")

    assert error.value.maybe_applied


def test_a_file_may_be_longer_where_its_operation_says_so():
    assert JetadviceClient.get_report_file.max_bytes > MAX_ANSWER_BYTES


@pytest.mark.parametrize(
    "content",
    [
        b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2),
        b"[" * 100_000 + b"]" * 100_000,
        b'{"\\ud800":' * 100_000,
        b"NaN",
        b"[Infinity]",
        b'["\\ud800", NaN]',
        b"[1e999]",
        b"[-1e999]",
        b"[" + b"1" * 310 + b".0]",
        b"[" + b"[]," * 1_000_000 + b"[]]",
        b"[" + b"9" * 5_000 + b"]",
        b'["a\x00b"]',
        b"\xff\xfe",
    ],
    ids=lambda content: f"{content[:20]!r}",
)
def test_json_that_cannot_be_held_or_stored_is_none(content):
    with pytest.raises(ValueError):
        json_value(httpx.Response(200, content=content))


def test_json_as_deep_as_may_be_is_read():
    assert json_value(httpx.Response(200, content=b"[" * MAX_DEPTH + b"]" * MAX_DEPTH))


@pytest.mark.parametrize("text", ["a\\u0000b", "a\\ud800b", "a\\udc00b", "a\\uD800b"])
def test_texts_and_names_of_an_answer_can_be_stored(text):
    content = f'{{"{text}": ["{text}", 1]}}'.encode()

    assert {"a\ufffdb": ["a\ufffdb", 1]} == json_value(httpx.Response(200, content=content))


def test_an_emoji_stays_one():
    assert "\U0001f600" == json_value(httpx.Response(200, content=b'"\\ud83d\\ude00"'))


def test_an_integer_beyond_64_bits_is_an_error_that_names_vendor_operation_and_field():
    content = b'{"id": 12345678901234567890123}'

    with pytest.raises(UnexpectedAnswer) as error:
        JifelineClient.get_vehicle_model.read(httpx.Response(200, content=content))

    assert "jifeline get_vehicle_model got an answer that cannot be read" in str(error.value)
    assert "id: an integer beyond 64 bits" in str(error.value)


async def test_an_integer_beyond_64_bits_is_a_text_where_a_text_is_meant_or_nothing_is_known(client_for):
    content = (
        b'{"DebtorID": 12345678901234567890123, "AccountNo": "1", "Later": {"x": [98765432109876543210987]}}'
    )

    async with client_for("jiwa", lambda request: httpx.Response(200, content=content)) as client:
        debtor = await client.get_debtor(DebtorID="1")

    assert "12345678901234567890123" == debtor.DebtorID
    assert {"x": ["98765432109876543210987"]} == debtor.model_extra["Later"]


async def test_what_a_vendor_says_of_an_error_is_one_line_that_can_be_stored(client_for):
    said = "no\u0000\ud800\nERROR forged\u202e"

    def answer(request):
        content = json.dumps({"ResponseStatus": {"ErrorCode": "No", "Message": said}}).encode()
        return httpx.Response(400, content=content, headers={"x-request-id": "a" * 5_000})

    async with client_for("jiwa", answer) as client:
        with pytest.raises(Exception) as error:
            await client.create_debtor(AccountNo="1", Name="x")

    text = str(error.value)
    assert "ERROR forged" in text
    assert not set("\x00\n\ud800\u202e") & set(text + error.value.detail)
    assert len(text) < 1_000


async def test_redirects_lead_nowhere(client_for):
    requests = []

    def answer(request):
        requests.append(request.url.host)
        return httpx.Response(307, headers={"location": "http://169.254.169.254/latest"})

    async with client_for("jiwa", answer) as client:
        with pytest.raises(UnexpectedAnswer):
            await client.create_debtor(AccountNo="1", Name="x")

    assert 1 == len(requests)


async def test_an_answer_whose_reading_is_cancelled_is_closed(client_for):
    class Slow(Stream):
        async def __aiter__(self):
            yield b"{"
            await asyncio.sleep(600)

    stream = Slow([])
    async with client_for("jiwa", answering(stream)) as client:
        call = asyncio.create_task(client.get_system_info())
        await asyncio.sleep(0.05)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

    assert stream.closed
