"""What the HTTP library does on a real socket: we rely on it to know whether a request was sent, and how often."""

import asyncio
import gzip
import re
from contextlib import asynccontextmanager

import httpx
import pytest
from documents_served import documents
from pydantic import SecretStr

from hookline.clients import AnswerLost, Unreachable
from hookline.clients import transport as transport_module
from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.clients.transport import new_pool
from hookline.context import NotSent

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Server:
    """Keeps the bytes of each request, and answers with what it was given, or with nothing."""

    def __init__(self):
        self.requests = []
        self.connections = 0
        self.answers = []
        self.tasks = []
        self.port = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader, writer):
        self.connections += 1
        self.tasks.append(asyncio.current_task())
        try:
            while True:
                self.requests.append(await self._request(reader))
                writer.write(answer := self.answers.pop(0) if self.answers else OK)
                await writer.drain()
                if answer is not OK:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _request(self, reader):
        head = await reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        return head + await reader.readexactly(int(length[1]) if length else 0)


@pytest.fixture
async def server():
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1")
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server
        await asyncio.gather(*server.tasks)


async def test_before_the_first_byte_is_sent_it_is_asked_whether_it_may_be(server):
    seen = []

    async def trace(event, _info):
        if event == "http11.send_request_headers.started":
            await asyncio.sleep(0.05)
            seen.append((server.connections, len(server.requests)))
            raise NotSent("it may not leave")

    async with new_pool(None) as http:
        request = httpx.Request("POST", server.url, content=b"x", extensions={"trace": trace})
        with pytest.raises(NotSent):
            await http.send(request)
    await asyncio.sleep(0.05)

    assert ([(1, 0)], []) == (seen, server.requests)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_what_is_lost_with_a_used_connection_is_not_sent_again(server, method):
    server.answers = [OK, b""]
    async with new_pool(None) as http:
        await http.request(method, server.url)
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await http.request(method, server.url)

    assert [method] * 2 == [arrived.split(b" ")[0].decode() for arrived in server.requests]


HEAD = b"HTTP/1.1 200 OK\r\n"
LOST = {
    "nothing": b"",
    "half a line": b"HTTP/1.1 2",
    "half the headers": HEAD + b"Content-Type: app",
    "half a body": HEAD + b"Content-Length: 20\r\n\r\n{}",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n14\r\n{}",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "a length that is none": HEAD + b"Content-Length: two\r\n\r\n{}",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "a chunk that is none": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a blank in a name": HEAD + b"X Y: 1\r\nContent-Length: 2\r\n\r\n{}",
    "a blank before the colon": HEAD + b"X-Y : 1\r\nContent-Length: 2\r\n\r\n{}",
    "an endless header": HEAD + b"X: " + b"x" * 300_000,
}


@pytest.mark.parametrize("answer", LOST.values(), ids=LOST)
async def test_a_call_whose_answer_does_not_arrive_may_have_been_done(server, answer):
    server.answers = [answer]
    async with _jiwa(server.url) as client:
        with pytest.raises(AnswerLost) as error:
            await client.create_debtor(AccountNo="1", Name="x")

    assert (1, True) == (len(server.requests), error.value.maybe_applied)


async def test_a_call_that_takes_too_long_may_have_been_done():
    arrived = []

    async def serve(reader, writer):
        arrived.append(await reader.readuntil(b"\r\n\r\n"))
        await reader.read()
        writer.close()

    async with _listening(serve) as url, _jiwa(url, timeout=0.2) as client:
        with pytest.raises(AnswerLost):
            await client.create_debtor(AccountNo="1", Name="x")

    assert 1 == len(arrived)


async def test_a_call_for_which_there_is_no_connection_was_not_sent(server):
    for url in (
        "http://127.0.0.1:9",
        "http://no-such-host.invalid",
        server.url.replace("http:", "https:"),  # it speaks no TLS
    ):
        async with _jiwa(url) as client:
            with pytest.raises(Unreachable) as error:
                await client.create_debtor(AccountNo="1", Name="x")

        assert not error.value.maybe_applied
    assert [] == server.requests


async def test_a_call_to_a_server_that_opens_no_connection_was_not_sent():
    silent = asyncio.Event()

    async def serve(_reader, writer):
        await silent.wait()
        writer.close()

    async with _listening(serve) as url:
        async with _jiwa(url.replace("http:", "https:"), connect_timeout=0.2) as client:
            with pytest.raises(Unreachable, match="ConnectTimeout"):
                await client.create_debtor(AccountNo="1", Name="x")
        silent.set()


@pytest.mark.parametrize(
    ("host", "is_trusted", "said"),
    [
        ("localhost", True, None),
        ("127.0.0.1", True, "IP address mismatch"),
        ("localhost", False, "self-signed certificate|unable to get local issuer"),
    ],
)
async def test_only_a_certificate_of_the_name_that_is_trusted_opens_a_connection(
    monkeypatch, host, is_trusted, said
):
    async with documents("localhost") as served:
        served.by_path["/Debtors/"] = b"{}"
        if is_trusted:
            monkeypatch.setattr(transport_module, "tls", lambda: served.trust)
        async with new_pool(None) as http:
            if said is None:
                await http.get(f"https://{host}:{served.port}/Debtors/")
            else:
                with pytest.raises(httpx.ConnectError, match=said):
                    await http.get(f"https://{host}:{served.port}/Debtors/")

    assert ([] if said else ["/Debtors/"]) == served.asked


ANSWERS = {
    "chunked": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\nX-T: 1\r\n\r\n",
    "to the end of the connection": HEAD + b"Connection: close\r\n\r\n{}",
    "packed": HEAD + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(b"{}"),
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + OK,
    "nothing": b"HTTP/1.1 204 No Content\r\n\r\n",
    "more than it says": HEAD + b"Content-Length: 2\r\n\r\n{}\r\n",
    "something behind nothing": b"HTTP/1.1 204 No Content\r\n\r\n{}",
    "a folded header": HEAD + b"X: 1\r\n 2\r\nContent-Length: 2\r\n\r\n{}",
    "lines without CR": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
    "both lengths": HEAD + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "one length twice": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a status of its own": b"HTTP/1.1 799 What\r\nContent-Length: 2\r\n\r\n{}",
    "many headers": HEAD + b"".join(b"X-%d: 1\r\n" % n for n in range(150)) + b"Content-Length: 2\r\n\r\n{}",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
    "headers twice": HEAD + b"X-A: 1\r\nx-a: 2\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 2\r\n\r\n{}",
    "an old server": b"HTTP/1.0 404 No\r\nContent-Length: 2\r\n\r\n{}",
    "a long header": HEAD + b"X: " + b"x" * 30_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "bytes of Latin 1": HEAD + "X: \xfc\r\nContent-Length: 2\r\n\r\n{}".encode("latin-1"),
    "a reason of its own": b"HTTP/1.1 422 Closed period\r\nContent-Length: 0\r\n\r\n",
    "no reason": b"HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_that_is_odd_is_read_all_the_same(server, answer):
    server.answers = [answer]
    async with new_pool(None) as http:
        response = await http.post(server.url)

    empty = b"Content-Length: 0" in answer or b" 204 " in answer
    assert (b"" if empty else b"{}", 1) == (response.content, len(server.requests))


async def test_an_answer_that_is_read_in_part_ends_its_connection(server):
    server.answers = [HEAD + b"Content-Length: 3000000\r\n\r\n" + b"x" * 3_000_000]
    async with new_pool(None) as http:
        async with http.stream("GET", server.url) as response:
            await anext(response.aiter_raw())
        await http.get(server.url)

    assert 2 == server.connections


async def test_a_proxy_of_the_environment_is_asked(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("NO_PROXY", "inside.example")
    async with new_pool(None) as http:
        await http.get("http://vendor.example/x")

    assert server.requests[0].startswith(b"GET http://vendor.example/x HTTP/1.1\r\n")


def _jiwa(url, **options):
    return JiwaClient(url, JiwaKey(SecretStr("the-secret-key")), **options)


@asynccontextmanager
async def _listening(serve):
    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
