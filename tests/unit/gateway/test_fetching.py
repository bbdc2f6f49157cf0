"""What verifies a sender is fetched from nowhere but where it may be, bounded, and stored; over real TLS."""

import asyncio

import pytest
from documents_served import documents, here

from hookline.gateway import fetching
from hookline.gateway.fetching import Fetcher, NotFetched, NotThere, is_public

NAME = "keys.example.com"


@pytest.fixture
async def served():
    async with documents(NAME) as server:
        server.by_path["/keys"] = b"the keys"
        yield server


def fetcher(served):
    return Fetcher(trust=served.trust, addresses=here, allows=lambda _: True)


def address(served, path="/keys", name=NAME):
    return f"https://{name}:{served.port}{path}"


async def test_a_document_is_fetched_once_and_then_known(served):
    ours = fetcher(served)

    several = await asyncio.gather(*(ours.document(address(served)) for _ in range(5)))

    assert [b"the keys"] * 5 == several
    assert ["/keys"] == served.asked


async def test_a_document_is_fetched_again_where_a_newer_one_is_wanted(served):
    ours = fetcher(served)
    await ours.document(address(served))
    served.by_path["/keys"] = b"other keys"

    assert b"other keys" == await ours.document(address(served), newer_than=0)
    assert not ours.is_renewable(address(served))


async def test_in_an_outage_the_last_one_is_used(served):
    ours = fetcher(served)
    await ours.document(address(served))
    served.by_path["/keys"] = 500

    assert b"the keys" == await ours.document(address(served), newer_than=0)


async def test_what_is_gone_is_used_no_more(served):
    ours = fetcher(served)
    await ours.document(address(served))
    served.by_path["/keys"] = 404

    with pytest.raises(NotThere, match="answers 404"):
        await ours.document(address(served), newer_than=0)


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (404, NotThere, "answers 404"),
        (302, NotThere, "answers 302"),
        (500, NotFetched, "answers 500"),
        (429, NotFetched, "answers 429"),
        (b"x" * (fetching.MAX_BYTES + 1), NotThere, "longer than"),
    ],
)
async def test_what_is_no_document_says_why(served, answer, kind, reason):
    served.by_path["/keys"] = answer

    with pytest.raises(kind, match=reason) as raised:
        await fetcher(served).document(address(served))

    assert kind is type(raised.value)
    assert ["/keys"] == served.asked


async def test_a_server_that_does_not_answer_is_not_waited_for(served, monkeypatch):
    served.by_path["/keys"] = None
    monkeypatch.setattr(fetching, "SECONDS", 0.2)

    with pytest.raises(NotFetched):
        await fetcher(served).document(address(served))


async def test_the_certificate_must_be_of_the_name(served):
    with pytest.raises(NotFetched, match="certificate"):
        await fetcher(served).document(address(served, name="evil.example.com"))


async def test_an_authority_that_is_not_trusted_is_not_believed(served):
    with pytest.raises(NotFetched, match="certificate"):
        await Fetcher(addresses=here, allows=lambda _: True).document(address(served))


@pytest.mark.parametrize(
    "text",
    ["http://keys.example.com/", "https://me@keys.example.com/", "https://", "ftp://a/", "https://:443", "x"],
)
async def test_another_address_than_one_of_https_is_not_fetched(served, text):
    with pytest.raises(NotThere):
        await fetcher(served).document(text)

    assert [] == served.asked


@pytest.mark.parametrize("private", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], []])
async def test_a_name_that_leads_to_a_private_address_is_not_fetched(served, private):
    async def addresses(_host, _port):
        return private

    with pytest.raises(NotThere, match="not a public one"):
        await Fetcher(trust=served.trust, addresses=addresses).document(address(served))

    assert [] == served.asked


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.215.14", True),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("::7f00:1", False),
        ("fec0::1", False),
        ("5f00::1", False),
    ],
)
def test_an_address_behind_us_is_no_public_one(address, verdict):
    assert verdict is is_public(address)


async def test_only_so_many_are_fetched_in_a_minute(served, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_IN_MINUTE", 2)
    ours = fetcher(served)
    for path in ("/keys", "/none"):
        with pytest.raises(NotThere) if path == "/none" else _Nothing():
            await ours.document(address(served, path))

    with pytest.raises(NotFetched, match="more than 2 fetches"):
        await ours.document(address(served, "/more"))


async def test_a_source_for_which_too_much_is_fetched_takes_nothing_from_another(served, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_IN_MINUTE", 1)
    ours = fetcher(served)
    for path in ("/a", "/b"):
        with pytest.raises(NotFetched):
            await ours.document(address(served, path), source="named by strangers")

    assert b"the keys" == await ours.document(address(served), source="another")
    assert ["/a", "/keys"] == served.asked


async def test_who_waits_for_a_server_that_fails_does_not_ask_it_again_each(served):
    served.by_path["/keys"] = 500
    ours = fetcher(served)
    answers = [ours.document(address(served)) for _ in range(5)]

    failures = await asyncio.gather(*answers, return_exceptions=True)

    assert ["its server answers 500"] * 5 == [str(failure) for failure in failures]
    assert ["/keys"] == served.asked


async def test_what_was_not_there_is_not_asked_for_again_in_the_same_breath(served):
    ours = fetcher(served)
    with pytest.raises(NotThere):
        await ours.document(address(served, "/none"))

    assert not ours.is_renewable(address(served, "/none"))


async def test_so_many_documents_are_stored_and_no_more(served, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_KEPT", 2)
    ours = fetcher(served)
    for number in range(4):
        served.by_path[f"/{number}"] = b"x"
        await ours.document(address(served, f"/{number}"))

    await ours.document(address(served, "/3"))
    await ours.document(address(served, "/0"))

    assert ["/0", "/1", "/2", "/3", "/0"] == served.asked


class _Nothing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None
