"""The gateway's limits for clients that are not verified, on raw sockets."""

import asyncio
from contextlib import suppress
from ipaddress import ip_network

import psutil
import pytest

from hookline.gateway import server as serving

KEY = "sandbox-secret-of-jiwa-1"
JSON = {"Content-Type": "application/json", "X-Hookline-Key": KEY}
HEAD = (
    f"POST /hooks/jiwa HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nX-Hookline-Key: {KEY}\r\n"
)
TIMEOUT_SECONDS = 30


@pytest.fixture(scope="module")
async def gateway(database_settings, serve):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOOKLINE_SECRET_JIWA", KEY)
        async with serve(database_settings, send_seconds=0.5) as client:
            yield client


async def connect(gateway):
    return await asyncio.open_connection(gateway.base_url.host, gateway.base_url.port)


async def until_closed(reader):
    """What the gateway says before it hangs up."""
    with suppress(ConnectionError):  # it closed the connection while we were sending
        return await asyncio.wait_for(reader.read(), TIMEOUT_SECONDS)
    return b""


async def said(gateway, sent):
    """What the gateway answers to these bytes before it hangs up."""
    reader, writer = await connect(gateway)
    with suppress(ConnectionError):
        writer.write(sent)
        await writer.drain()
    answer = await until_closed(reader)
    writer.close()
    return answer


async def dribble(gateway, sent):
    """Begin a request and go on one byte at a time, for as long as the gateway bears it; what it says."""
    reader, writer = await connect(gateway)
    writer.write(HEAD.encode())
    ended = asyncio.ensure_future(until_closed(reader))
    for number in range(10_000):
        if ended.done():
            break
        with suppress(ConnectionError):
            writer.write(sent[number % len(sent)].to_bytes())
        await asyncio.sleep(0.1)
    writer.close()
    return await ended


async def is_well(gateway):
    answer = await gateway.post("/hooks/jiwa", content=b"{}", headers=JSON)
    return answer.status_code in {200, 202}


async def test_fifty_that_send_a_byte_at_a_time_are_cut_off_and_keep_nobody_waiting(gateway, database):
    slow = [asyncio.create_task(dribble(gateway, b"X-Slow: very\r\n")) for _ in range(50)]
    once = JSON | {
        "Connection": "close"
    }  # an idle connection would be cut off as well, perhaps while it is used
    good = [
        (await gateway.post("/hooks/jiwa", json={"n": number}, headers=once)).status_code
        for number in range(50)
    ]

    assert [202] * 50 == good
    assert {b""} == {await task for task in slow}


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"POST"], ids=["nothing", "empty lines", "half a word"])
async def test_whoever_connects_and_asks_nothing_is_cut_off(gateway, sent):
    reader, writer = await connect(gateway)
    ended = asyncio.ensure_future(until_closed(reader))
    while not ended.done():
        with suppress(ConnectionError):
            writer.write(sent if sent == b"\r\n" else b"")
        await asyncio.sleep(0.05)

    assert b"" == await ended
    writer.close()


async def test_an_idle_connection_that_sends_empty_lines_after_its_answer_is_cut_off(gateway, database):
    reader, writer = await connect(gateway)
    writer.write(f"{HEAD}Content-Length: 2\r\n\r\n{{}}".encode())
    await reader.readuntil(b"}")
    ended = asyncio.ensure_future(until_closed(reader))
    while not ended.done():
        with suppress(ConnectionError):
            writer.write(b"\r\n")
        await asyncio.sleep(0.05)

    assert b"" == await ended
    writer.close()


async def test_a_body_that_dawdles_is_answered_408_and_cut_off(gateway, database):
    answer = await said(gateway, f"{HEAD}Content-Length: 9\r\n\r\n{{".encode())

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert 0 == await database.fetchval("SELECT count(*) FROM deliveries")


async def test_a_body_that_nobody_reads_does_not_keep_its_connection(gateway):
    unwanted = HEAD.replace(KEY, "wrong").encode() + b"Content-Length: 1000000\r\n\r\n"
    reader, writer = await connect(gateway)
    writer.write(unwanted)
    status = await reader.readline()
    ended = asyncio.ensure_future(until_closed(reader))
    while not ended.done():
        with suppress(ConnectionError):
            writer.write(b"x")
        await asyncio.sleep(0.05)

    assert status.startswith(b"HTTP/1.1 401 ")
    await ended
    writer.close()


async def test_a_header_of_a_million_characters_is_cut_off_and_never_held(gateway, database):
    before = psutil.Process().memory_info().rss
    long = b"POST /hooks/jiwa HTTP/1.1\r\nX-Long: " + b"x" * 1_000_000

    answers = await asyncio.gather(*(said(gateway, long) for _ in range(50)))

    assert {answer[9:12] for answer in answers} <= {b"431", b""}  # who is still sending may not hear why
    assert psutil.Process().memory_info().rss - before < 40_000_000
    assert await is_well(gateway)


async def test_a_head_that_does_not_end_is_refused_at_the_limit(gateway):
    answer = await said(gateway, b"POST /hooks/jiwa HTTP/1.1\r\nX-Long: " + b"x" * serving.MAX_HEAD)

    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (f"X-Long: {'x' * serving.MAX_HEAD}\r\n", b"431"),
        ("".join(f"X-{number}: y\r\n" for number in range(serving.MAX_HEADERS + 1)), b"431"),
        (f"X-Long: {'x' * (serving.MAX_HEAD // 2)}\r\n", b"202"),
    ],
    ids=["one too long", "too many", "long"],
)
async def test_a_head_is_taken_up_to_its_limits(gateway, database, lines, status):
    answer = await said(gateway, f"{HEAD}{lines}Content-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())

    assert status == answer[9:12]


async def test_an_address_that_is_too_long_is_refused(gateway):
    answer = await said(gateway, f"POST /hooks/{'x' * serving.MAX_HEAD} HTTP/1.1\r\n\r\n".encode())

    assert answer[9:12] in {b"400", b"431"}  # the parser may refuse it before us


@pytest.mark.parametrize(
    ("framing", "status"),
    [
        ("Content-Length: 99999999999999999999\r\n\r\n{}", b"400"),
        ("Content-Length: 9999999999\r\n\r\n{}", b"413"),
        ("Content-Length: -1\r\n\r\n{}", b"400"),
        ("Content-Length: two\r\n\r\n{}", b"400"),
        ("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", b"400"),
        ("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"400"),
        ("Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n{}", b"400"),
        ("Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}", b"400"),
        ("Content-Length: 9\r\n\r\n{}", b"408"),
        ("Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", b"202"),
    ],
    ids=[
        "absurd",
        "huge",
        "negative",
        "word",
        "twice",
        "both",
        "absurd chunk",
        "no chunk",
        "too much",
        "chunks",
    ],
)
async def test_a_wrong_length_is_refused(gateway, database, framing, status):
    answer = await said(gateway, (HEAD + framing).encode())

    assert status == answer[9:12]
    assert (status == b"202") == bool(await database.fetchval("SELECT count(*) FROM deliveries"))


async def test_what_follows_a_request_without_a_length_is_no_body_of_it(gateway, database):
    await said(gateway, f"{HEAD}\r\n{{}}".encode())

    assert {b""} >= {row["body"] for row in await database.fetch("SELECT body FROM deliveries")}


async def test_a_body_in_many_chunks_is_taken_and_one_in_many_tiny_chunks_is_not(gateway, database):
    head = f"{HEAD}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
    small, tiny = b"64\r\n" + b" " * 100 + b"\r\n", b"1\r\n \r\n"

    taken = await said(gateway, head + small * 2_000 + b"2\r\n{}\r\n0\r\n\r\n")
    refused = await said(gateway, head + tiny * 2_000 + b"2\r\n{}\r\n0\r\n\r\n")

    assert taken.startswith(b"HTTP/1.1 202 ")
    assert refused.startswith(b"HTTP/1.1 400 ")
    assert 1 == await database.fetchval("SELECT count(*) FROM deliveries")


async def test_a_body_longer_than_its_length_is_no_part_of_it(gateway, database):
    answer = await said(gateway, f'{HEAD}Content-Length: 2\r\n\r\n{{}}{{"a": 1}}'.encode())

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert await is_well(gateway)  # written after the other, if that was taken at all
    assert {b"{}"} >= {row["body"] for row in await database.fetch("SELECT body FROM deliveries")}


@pytest.mark.parametrize(
    "encoding", ["gzip", "br", "identity, gzip", "deflate", "x", "identity\r\nContent-Encoding: gzip"]
)
async def test_a_compressed_body_is_kept_as_it_came_and_never_unpacked(gateway, database, encoding):
    head = f"{HEAD}Content-Encoding: {encoding}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"

    assert (await said(gateway, head.encode())).startswith(b"HTTP/1.1 202 ")
    assert [b"{}"] == [row["body"] for row in await database.fetch("SELECT body FROM deliveries")]


async def test_a_connection_too_many_is_asked_to_come_again(gateway, database, database_settings, serve):
    async with serve(database_settings, send_seconds=TIMEOUT_SECONDS, max_connections=5) as full:
        held = [await connect(full) for _ in range(5)]
        for _, writer in held:  # each waits for an answer, so none makes room
            writer.write(f"{HEAD}Content-Length: 9\r\n\r\n{{".encode())
            await writer.drain()
        await asyncio.sleep(0.2)
        answer = await said(full, b"")
        for _, writer in held:
            writer.close()
            await writer.wait_closed()

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5\r\n" in answer
        assert await is_well(full)


@pytest.mark.parametrize("limits", [{"max_connections": 20}, {"max_address_connections": 20}], ids=str)
async def test_a_peer_that_opens_connections_and_sends_nothing_keeps_nobody_out(
    gateway, database, database_settings, serve, limits
):
    async with serve(database_settings, send_seconds=TIMEOUT_SECONDS, **limits) as full:
        silent = [await connect(full) for _ in range(100)]
        well = [await is_well(full) for _ in range(5)]
        cut = [reader for reader, _ in silent if reader.at_eof() or reader.exception()]
        for _, writer in silent:
            writer.close()

    assert [True] * 5 == well
    assert len(cut) >= 80


async def test_one_address_has_not_all_connections(gateway, database, database_settings, serve):
    async with serve(database_settings, send_seconds=TIMEOUT_SECONDS, max_address_connections=5) as full:
        held = [await connect(full) for _ in range(5)]
        for _, writer in held:
            writer.write(f"{HEAD}Content-Length: 9\r\n\r\n{{".encode())
            await writer.drain()
        await asyncio.sleep(0.2)
        refused = await said(full, b"")
        elsewhere = await asyncio.open_connection(
            full.base_url.host, full.base_url.port, local_addr=("127.0.0.2", 0)
        )
        elsewhere[1].write(f"{HEAD}Content-Length: 2\r\n\r\n{{}}".encode())
        answer = await elsewhere[0].readline()
        for _, writer in (*held, elsewhere):
            writer.close()

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert answer.startswith(b"HTTP/1.1 202 ")


async def test_a_trusted_proxy_speaks_for_many(gateway, database, database_settings, serve):
    proxies = {"trusted_proxies": (ip_network("127.0.0.1"),), "max_address_connections": 5}
    async with serve(database_settings, send_seconds=TIMEOUT_SECONDS, **proxies) as behind:
        held = [await connect(behind) for _ in range(20)]

        assert await is_well(behind)
        assert not any(reader.at_eof() for reader, _ in held)
        for _, writer in held:
            writer.close()


CHUNKED = "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"


async def flood(gateway, beginning, again, times):
    """Send a beginning, and then the same again and again; what is answered, and how many bytes were taken."""
    reader, writer = await connect(gateway)
    answer, taken = asyncio.ensure_future(until_closed(reader)), 0
    writer.write(beginning)
    with suppress(ConnectionError):
        for _ in range(times):
            if answer.done() or writer.transport.is_closing():
                break
            writer.write(again)
            await writer.drain()
            taken += len(again)
    writer.close()
    return await answer, taken


FLOODS = {
    "trailers": (f"{HEAD}{CHUNKED}0\r\n", "X-Trailer: " + "x" * 4_000 + "\r\n"),
    "one trailer": (f"{HEAD}{CHUNKED}0\r\nX-Trailer: ", "x" * 4_096),
    "small trailers": (f"{HEAD}{CHUNKED}0\r\n", "X: y\r\n" * 500),
    "a chunk's extension": (f"{HEAD}Transfer-Encoding: chunked\r\n\r\n2;", "x" * 4_096),
    "extensions of chunks": (
        f"{HEAD}Transfer-Encoding: chunked\r\n\r\n",
        "1;" + "x" * 4_000 + "\r\n \r\n",
    ),
    "after an upgrade": (
        f"{HEAD}Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\n{{}}",
        "x" * 4_096,
    ),
    "an address": ("POST /hooks/jiwa?", "x" * 4_096),
    "a name": ("POST /hooks/jiwa HTTP/1.1\r\n", "x" * 4_096),
    "empty lines": ("", "\r\n" * 2_000),
    "a body that nobody wants": (
        f"{HEAD.replace(KEY, 'wrong')}Content-Length: 900000000\r\n\r\n",
        "x" * 65_536,
    ),
}


@pytest.mark.parametrize("path", ["/hooks/jiwa", "/login", "/x"])
@pytest.mark.parametrize("name", FLOODS)
async def test_nothing_can_be_sent_without_an_end(gateway, database, name, path):
    beginning, again = (text.replace("/hooks/jiwa", path).encode() for text in FLOODS[name])
    before = psutil.Process().memory_info().rss

    _, taken = await flood(gateway, beginning, again, 20_000_000 // len(again))

    assert taken < 12_000_000  # with all that the sockets of both sides hold
    assert psutil.Process().memory_info().rss - before < 40_000_000
    assert await is_well(gateway)


async def test_what_follows_a_body_is_no_header_of_its_request(gateway, database):
    trailers = f"{HEAD}X-Kept: yes\r\n{CHUNKED}0\r\nX-Forwarded-For: 203.0.113.9\r\nX-Late: no\r\n\r\n"
    reader, writer = await connect(gateway)
    writer.write(trailers.encode())
    status = await reader.readline()
    writer.close()

    [headers] = await database.fetchval("SELECT array_agg(headers) FROM deliveries")
    assert status.startswith(b"HTTP/1.1 202 ")
    assert "yes" == headers["x-kept"]
    assert {"x-late", "x-forwarded-for"}.isdisjoint(headers)


async def test_requests_that_nobody_answers_yet_have_an_end(gateway):
    before = psutil.Process().memory_info().rss
    many = b"GET /x HTTP/1.1\r\n\r\n" * 10_000

    answers = await asyncio.gather(*(said(gateway, many) for _ in range(20)))

    assert all(answer.count(b"HTTP/1.1 404 ") <= serving.MAX_PIPELINED + 1 for answer in answers)
    assert psutil.Process().memory_info().rss - before < 40_000_000
    assert await is_well(gateway)


async def test_a_secret_header_that_came_twice_proves_nothing(gateway, database):
    twice = f"{HEAD}X-Hookline-Key: {KEY}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"

    assert (await said(gateway, twice.encode())).startswith(b"HTTP/1.1 401 ")


async def test_requests_sent_without_waiting_are_answered_in_their_order(gateway, database):
    one_after_another = "".join(f'{HEAD}Content-Length: 8\r\n\r\n{{"n": {number}}}' for number in range(5))
    last = "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"

    answers = await said(gateway, (one_after_another + last).encode())

    assert 5 == answers.count(b"HTTP/1.1 202 ")
    assert answers.endswith(b'{"status":"ok"}')


async def test_a_peer_that_does_not_read_the_answers_is_cut_off(gateway):
    ask = b"GET /static/style.css HTTP/1.1\r\nHost: here\r\n\r\n" * 20
    reader, writer = await connect(gateway)
    writer.transport.pause_reading()
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not writer.transport.is_closing():
                writer.write(ask)
                await writer.drain()
                await asyncio.sleep(0.05)

    assert writer.transport.is_closing()
    assert reader.exception() is None or isinstance(reader.exception(), ConnectionError)
