"""`hookline render`, attacked: whatever is wrong is answered in words, and nothing is written, sent or recorded."""

import asyncio
import json
import os
import socket
from contextlib import closing

import pytest
from commands import run_here, run_process

from hookline.database.connection import database_url
from hookline.simulators.server import running

OURS = ("HOOKLINE_", "PREFECT_", "JIWA_", "ZENTITLE_", "SENSORPRO_", "JETADVICE_", "JIFELINE_")
MAIL = "order-to-license/mail"


@pytest.fixture(scope="module")
async def simulators():
    async with running() as sandbox:
        yield sandbox


@pytest.fixture
def templates(tmp_path):
    folder = tmp_path / "templates"
    (folder / "order-to-license").mkdir(parents=True)
    return folder


@pytest.fixture
def environment(simulators, database_settings, database, templates, repository):
    """What the command needs, and nothing of anyone who runs the tests."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
        "HOOKLINE_HOME": str(database_settings.home),
        "HOOKLINE_DATABASE_URL": database_url(database_settings),
        "HOOKLINE_CATALOG": str(repository / "deployments/catalog.yaml"),
        "HOOKLINE_TEMPLATES": str(templates),
        "HOOKLINE_PREFECT_PORT": str(closed_port()),
        "JIWA_BASE_URL": simulators.jiwa.url,
        "JIWA_API_KEY": "sandbox-jiwa-key",
    }


@pytest.fixture
def render(environment):
    """Type `hookline render` with these words."""

    async def render(*words, **changed):
        # In a thread: the simulators answer in the event loop of here.
        return await asyncio.to_thread(run_here, "render", *words, env=environment | changed)

    return render


def closed_port():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return server.getsockname()[1]


def refusal(ended):
    """The words of a command that failed, in one line; no traceback."""
    assert 0 != ended.returncode
    assert "Traceback" not in ended.stderr
    assert "" == ended.stdout.strip()
    return " ".join(ended.stderr.split())


@pytest.fixture
def put(templates):
    def put(content, name="mail.en.j2"):
        path = templates / "order-to-license" / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return put


BODY = "{% block body %}%s{% endblock %}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{% block body %}\n{{ kontact }}{% endblock %}", "line 2: kontact is not a value of this text (do you mean contact?)"),
        ("{% block body %}{{ contact.name }}{% endblock %}", "line 1: contact has no name"),
        ("{% block body %}{{ contact|shout }}{% endblock %}", "line 1: there is no filter shout"),
        ("{% block body %}", "line 1: Unexpected end of template"),
        ("", "line 1: is empty"),
        ("x" * 65_537, "is longer than the 65,536 bytes of a text"),
        ("{% block body %}" + "{{ contact.a }}" * 4_300 + "{% endblock %}", "contact has no a: it is a str"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "line 1: is no text in UTF-8"),
        (b"{% block body %}\x00{{ \x00 }}{% endblock %}", "line 1: unexpected char"),
        ("{% block body %}{% for a in range(9) %}{% endfor %}{% endblock %}", "range is not a value"),
        ("{% block body %}{{ 'x' * 9999999999 }}{% endblock %}", "cannot be rendered"),
        ("{% include '/etc/passwd' %}", "a template is one file: include is not possible"),
    ],
)  # fmt: skip
async def test_a_file_that_is_wrong_is_named_with_what_is_wrong(render, put, content, words):
    path = put(content)

    told = refusal(await render(MAIL, "--language", "en"))

    assert str(path) in told.replace(" ", "") or str(path) in told
    assert words in told


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "order-to-license/mial",
            "There is no text order-to-license/mial (do you mean order-to-license/mail?)",
        ),
        ("../" * 20 + "etc/passwd", "etc/passwd: there is no workflow etc"),
        ("/etc/passwd", "there is no workflow etc"),
        ("order-to-license", "There is no text order-to-license"),
        ("", "There is no text"),
        ("x" * 5_000, "There is no text"),
        ("a\x00b", "There is no text"),
    ],
)
async def test_what_is_no_text_is_answered_with_what_there_is(render, name, words):
    assert words in refusal(await render(name))


async def test_a_folder_and_a_file_outside_of_the_folder_of_texts_are_no_texts(
    render, put, templates, tmp_path
):
    put("{% block body %}Hi{% endblock %}")
    (tmp_path / "mail.en.j2").write_text("{% block body %}Hi{% endblock %}")
    (templates / "order-to-license/mail.de.j2").mkdir()

    folder = refusal(await render(str(templates / "order-to-license")))
    outside = refusal(await render(str(tmp_path / "mail.en.j2")))
    in_its_place = refusal(await render(MAIL, "--language", "de"))

    assert "There is no text" in folder
    assert f"there is no workflow {tmp_path.name}" in outside
    assert "mail.de.j2 is no file. Put a text in its place." in in_its_place


async def test_a_file_of_a_folder_that_is_not_in_use_is_previewed_as_it_is(render, tmp_path):
    path = tmp_path / "draft/order-to-license/mail.en.j2"
    path.parent.mkdir(parents=True)
    path.write_text("{% block body %}Draft for {{ contact }}{% endblock %}")

    made = await render(str(path), "--json")

    assert {"body": "Draft for Anna Berg"} == json.loads(made.stdout)["result"]


@pytest.mark.parametrize(
    ("words", "changed", "message"),
    [
        (("--order", "999999"), {}, "Jiwa has no order with the InvoiceID or the number '999999'"),
        (("--order", ""), {}, "Say what the text is about: an order"),
        (("--order", "../../x?y#z"), {}, "InvoiceID would change the address"),
        (("--order", "1"), {"JIWA_BASE_URL": "http://127.0.0.1:9"}, "jiwa get_sales_order"),
        (("--order", "1"), {"JIWA_BASE_URL": "http://no-such-host.invalid"}, "jiwa get_sales_order"),
        (("--order", "1"), {"JIWA_API_KEY": ""}, "JIWA_API_KEY"),
        (("--order", "1"), {"HOOKLINE_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}, "PostgreSQL"),
        (("--language", "xx-not-a-language-at-all"), {}, None),
    ],
)
async def test_what_cannot_be_read_is_answered_in_words(render, put, words, changed, message):
    put("{% block body %}Hi{% endblock %}")

    ended = await render(MAIL, *words, **changed)

    if message is None:
        assert (0, True) == (ended.returncode, "Hi" in ended.stdout)
    else:
        assert message in refusal(ended)


@pytest.mark.parametrize("words", [("--order", "1", "--account", "north"), ("--order", "1@jiwa/north")])
async def test_an_account_that_neither_the_environment_nor_prefect_has_is_named(
    environment, put, words, tmp_path
):
    put("{% block body %}Hi{% endblock %}")

    ended = await asyncio.to_thread(run_process, "render", MAIL, *words, env=environment, cwd=tmp_path)

    assert "The environment has no account north of jiwa, and Prefect" in refusal(ended)


async def test_an_account_of_the_environment_is_taken(render, put, simulators):
    put("{% block body %}Hi{% endblock %}")
    north = {"JIWA_NORTH_BASE_URL": simulators.jiwa.url, "JIWA_NORTH_API_KEY": "wrong"}

    told = refusal(await render(MAIL, "--order", "1", "--account", "north", **north))

    assert "jiwa get_sales_order" in told
    assert "401" in told or "not let" in told or "key" in told
