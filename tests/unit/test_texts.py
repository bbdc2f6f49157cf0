"""Texts: files that a person edits, found wrong before they are used, and rendered within limits."""

import os
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import Field

from flows.texts.order_to_license import License, LicensesMail, OrderNote, Report
from flows.texts.renewal_reminder import ReminderMail
from hookline.confined import Confined
from hookline.errors import ConfigurationError
from hookline.settings import settings
from hookline.texts import Note, Template, Texts, declared, in_force, read_texts, render
from hookline.texts.folder import MAX_BYTES, SHIPPED
from hookline.texts.in_force import judged, problems_of
from hookline.texts.names import MAX_MISTAKES, mistakes
from hookline.texts.rendering import MAX_OUTPUT

LICENSES = [License(part="LIC-PRO", code="1"), License(part="LIC-TEAM", code="2")]


@pytest.fixture
def folder(repository, tmp_path, monkeypatch):
    """A folder of the firm's own, whose texts are in force in a home of their own."""
    made = tmp_path / "templates"
    made.mkdir()
    monkeypatch.setenv("HOOKLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOOKLINE_CATALOG", str(repository / "deployments/catalog.yaml"))
    monkeypatch.setenv("HOOKLINE_TEMPLATES", str(made))
    settings.cache_clear()
    yield made
    settings.cache_clear()


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def note(**changed):
    return OrderNote(**{"order": "100123", "customer": "Garage Nord", "licenses": LICENSES, **changed})


def found(source, text=OrderNote):
    return [str(each) for each in mistakes(source, "markdown" if text.markdown else "plain", text)]


def test_reading_runs_nothing_of_it():
    assert [] == found("{{ 'x'|center(99999999999) }}{{ 10 ** 10 ** 10 }}{{ ['x']|join('y'*99999999999) }}")


# What is shipped


async def test_each_shipped_text_renders_with_its_examples(repository):
    sources = await read_texts(Texts(repository / "deployments/templates"))

    assert {(text.workflow, text.name) for text in declared().values()} == {
        (template.text.workflow, template.text.name) for template in sources
    }


async def test_each_mail_is_shipped_in_three_languages(repository):
    templates = Texts(repository / "deployments/templates").templates()

    for text in declared().values():
        languages = {each.language for each in templates if each.text is text}
        assert ({"de", "en", "nl"} if text.to_customer else {"en"}) == languages, text


async def test_the_note_and_the_mail_of_an_order_list_its_codes(folder):
    mail = LicensesMail(order="100123", customer="Garage Nord", contact="Anna", licenses=LICENSES)

    assert "Licenses allocated and mailed:\nLIC-PRO: 1\nLIC-TEAM: 2" == await render(note())
    assert "LIC-PRO: 1\nLIC-TEAM: 2" == (await render(mail))["licenses"]


# Languages and folders


async def test_a_customer_gets_the_language_or_the_next_best_one(folder):
    mail = LicensesMail(order="1", customer="Garage Nord", contact="Anna", licenses=LICENSES)

    assert "Ihre Lizenzen zum Auftrag 1" == (await render(mail, "de-at"))["subject"]
    assert "Your licenses of order 1" == (await render(mail, "fr"))["subject"]


async def test_a_file_of_the_firm_comes_before_the_shipped_one(folder):
    write(folder, "order-to-license/order-note.en.j2", "Ours: {{ order }}")

    assert "Ours: 100123" == await render(note())


def test_the_folder_is_the_one_that_is_named_or_beside_the_catalog_or_the_shipped_one(repository, tmp_path):
    def folder(**changed):
        return Texts.of_settings(settings().model_copy(update=changed), "en").folder

    (tmp_path / "templates").mkdir()

    assert Path("/ours") == folder(templates=Path("/ours"))
    assert tmp_path / "templates" == folder(templates=None, catalog=tmp_path / "catalog.yaml")
    assert SHIPPED == folder(templates=None, catalog=tmp_path / "elsewhere/catalog.yaml")
    assert repository / "deployments/templates" == SHIPPED


async def test_a_named_folder_that_is_not_there_is_found(tmp_path):
    with pytest.raises(ConfigurationError, match="is not there"):
        await read_texts(Texts(tmp_path / "nowhere"))


async def test_a_mail_in_html_escapes_what_it_places(folder):
    write(folder, "order-to-license/mail.fr.html.j2", "{% block body %}<b>{{ customer }}</b>{% endblock %}")
    mail = LicensesMail(order="1", customer="Bolt & <Sons>", contact="Anna", licenses=[])

    assert {"body": "<b>Bolt &amp; &lt;Sons&gt;</b>"} == await render(mail, "fr")


# Mistakes


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ ordr }}", "line 1: ordr is not a value of this text (do you mean order?)"),
        ("\n\n{% if x %}{{ nosuch.name }}{% endif %}", "line 3: nosuch is not a value of this text"),
        (
            "{% for each in licenses %}\n{{ each.prt }}{% endfor %}",
            "line 2: prt is not a field of each (do you mean",
        ),
        ("{{ licenses[0].cod }}", "line 1: cod is not a field of it (do you mean code?)"),
        ("{{ (licenses|first).cod }}", "line 1: cod is not a field of it (do you mean code?)"),
        ("{% for x in licenses if x.prt %}{% endfor %}", "line 1: prt is not a field of x"),
        ("{{ order|uper }}", "line 1: there is no filter uper (do you mean upper?)"),
        ("{{ order is defned }}", "line 1: there is no test defned (do you mean defined?)"),
        ("a\n{% if order %}", "line 2: Unexpected end of template"),
        ("{% include 'mail.en.j2' %}", "line 1: a template is one file: include is not possible"),
        ("{{ " + "9" * 5000 + " }}", "line 1: Exceeds the limit"),
        ("{{ range(9) }}", "line 1: range is not a value of this text"),
        ("{{ " + "(" * 5000 + ")" * 5000 + " }}", "line 1: is nested too deeply"),
    ],
)
def test_a_mistake_is_found_by_reading_with_its_line(source, message):
    assert any(message in each for each in found(source)), found(source)


@pytest.mark.parametrize(
    "source",
    [
        "{% for order in licenses %}{{ order.code }}{% endfor %}{{ order }}",
        "{% set it = licenses|first %}{{ it.code }}",
        "{% set order = 7 %}{{ order }}",
        "{% macro line(each) %}{{ each.whatever }}{% endmacro %}{{ line(licenses[0]) }}",
        "{% for each in licenses %}{{ loop.index }} {{ each.code }}{% else %}none{% endfor %}",
        "{{ licenses|map(attribute='code')|join(', ') }}",
        "{% for part, each in licenses|groupby('part') %}{{ part }}{% endfor %}",
    ],
)
def test_what_is_right_is_not_taken_for_a_mistake(source):
    assert [] == found(source)


def test_what_stands_outside_of_the_blocks_of_a_mail_is_found():
    assert ["line 2: stands outside of the blocks, so that it would be lost"] == found(
        "{% block body %}x{% endblock %}\nHello", LicensesMail
    )
    assert "has no block" in found("Hello", LicensesMail)[0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "order-to-licence/mail.en.j2",
            "there is no workflow order-to-licence (do you mean order-to-license?)",
        ),
        ("order-to-license/mial.en.j2", "order-to-license has no text mial (do you mean mail?)"),
        ("order-to-license/mail.j2", "a text is a file such as mail.en.j2"),
        ("order-to-license/mail.English.j2", "English is no language"),
        ("order-to-license/report.en.html.j2", "only a mail may be in HTML: call it report.en.j2"),
    ],
)
async def test_a_file_that_is_no_text_is_found(folder, name, message):
    path = write(folder, name, "x")

    with pytest.raises(ConfigurationError) as raised:
        await read_texts(Texts(folder))
    assert f"{path}: {message}" in str(raised.value)


async def test_two_files_of_one_text_are_found(folder):
    for name in ("mail.en.j2", "mail.en.html.j2"):
        write(folder, f"order-to-license/{name}", "{% block body %}x{% endblock %}")

    with pytest.raises(ConfigurationError, match="is the same text in the same language"):
        await read_texts(Texts(folder))


async def test_a_text_without_any_file_is_found(folder, monkeypatch):
    monkeypatch.setattr("hookline.texts.folder.SHIPPED", folder)

    with pytest.raises(ConfigurationError, match=r"supply-alert/mail\.en\.j2 is missing"):
        await read_texts(Texts(folder))


async def test_copies_of_an_editor_and_descriptions_are_left_alone(folder):
    for name in ("mail.en.j2~", ".mail.en.j2.swp", "README.md"):
        write(folder, f"order-to-license/{name}", "{{ nonsense }}")

    assert await read_texts(Texts(folder))


async def test_a_mistake_that_shows_only_with_values_is_found_with_its_line(folder):
    path = write(folder, "order-to-license/order-note.en.j2", "\n\n{{ order / 2 }}")

    with pytest.raises(ConfigurationError, match=r"order-note\.en\.j2, line 3: TypeError"):
        await judged(Template(path, OrderNote, "en"))


async def test_a_file_that_is_too_long_or_no_text_is_refused(folder):
    long = write(folder, "order-to-license/order-note.en.j2", "x" * (MAX_BYTES + 1))
    with pytest.raises(ConfigurationError, match="longer than"):
        await judged(Template(long, OrderNote, "en"))
    long.write_bytes(b"one\ntwo \xff")
    with pytest.raises(ConfigurationError, match="line 2: is no text in UTF-8"):
        await judged(Template(long, OrderNote, "en"))


# Limits


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% for a in 'x'*9999 %}{% for b in 'x'*9999 %}{% for c in 'x'*9999 %}{% endfor %}{% endfor %}{% endfor %}", "longer than"),
        ("{{ 'x' * 10000000000 }}", "more than|longer than|crashed"),
        ("{% for a in 'x'*9999 %}" + "x" * 1000 + "{% endfor %}", f"gives more than {MAX_OUTPUT:,} characters"),
        ("{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}", "RecursionError"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
    ],
)  # fmt: skip
async def test_a_template_without_end_ends_by_itself(folder, source, message):
    path = write(folder, "order-to-license/order-note.en.j2", source)

    with pytest.raises(ConfigurationError, match=message):
        await judged(Template(path, OrderNote, "en"))


PIECES = ["{{", "}}", "{%", "%}", "{#", "#}", " order ", "licenses", "for x in ", "endfor", "if ", "endif", "|", "join",
          ".", "code", "(", ")", "[", "]", "0", "'", "block b", "endblock", "set y = ", "-", "\n", "~", "**", "macro m()",
          "endmacro", "e", "\x00", "é", "loop.index", "else", "raw", "endraw", "call m()", "endcall", ","]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=25).map("".join))
@examples(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_text_renders_or_is_refused_with_file_and_line(tmp_path, source):
    template = Template(tmp_path / "order-note.en.j2", OrderNote, "en")

    try:
        await judged(template, source)
    except ConfigurationError as error:
        for line in str(error).splitlines():
            assert f"{template.path}, line " in line or f"{template.path} cannot be rendered" in line


# Escaping


async def test_what_a_markdown_text_places_is_escaped_and_its_own_marks_are_not(folder):
    hostile = "Nord | [x](http://evil.example)\n# <b>big</b>"
    write(
        folder,
        "order-to-license/report.en.j2",
        "# {{ customer }} **{{ order }}** {{ customer|upper }} {{ 'a' ~ customer }}",
    )
    report = Report(order="*1*", customer=hostile, account="1", email="", lines=[])

    text = await render(report)

    assert r"# Nord \| \[x\]\(http\:\/\/evil\.example\) \# \<b\>big\<\/b\> **\*1\*** NORD \|" in text
    assert "<b>" not in text
    assert "](" not in text.replace(r"\]\(", "")


@pytest.mark.parametrize("name", ["e", "escape", "forceescape", "urlize", "xmlattr", "tojson"])
def test_no_filter_that_escapes_for_html_alone_is_in_a_markdown_text(name):
    assert [f"line 1: there is no filter {name}"] == [
        each.partition(" (")[0] for each in found(f"{{{{ customer|{name} }}}}", Report)
    ]


async def test_nothing_is_written_for_what_is_none(folder):
    write(folder, "order-to-license/order-note.en.j2", "a{{ none }}b")

    assert "ab" == await render(note())


# In force


async def test_an_edited_file_is_in_force_at_once_and_a_wrong_one_leaves_the_last_good(folder, caplog):
    path = write(folder, "order-to-license/order-note.en.j2", "one {{ order }}")
    assert "one 100123" == await render(note())

    path.write_text("two, {{ order }}")
    assert "two, 100123" == await render(note())

    path.write_text("three {{ ordr }}")
    assert "two, 100123" == await render(note())
    assert "line 1: ordr is not a value of this text (do you mean order?)" in caplog.text


async def test_a_wrong_file_that_never_was_good_is_an_error(folder):
    write(folder, "order-to-license/order-note.en.j2", "{{ ordr }}")

    with pytest.raises(ConfigurationError, match="line 1: ordr is not a value"):
        await render(note())


async def test_the_problems_of_a_folder_say_what_is_in_force_instead(folder):
    path = write(folder, "order-to-license/order-note.en.j2", "{{ order }}")
    await render(note())
    path.write_text("{{ ordr }}")

    [problem] = await problems_of(Texts(folder), settings().home)

    assert "ordr is not a value" in problem.detail
    assert "its last good version stays in force" == problem.instead


LOOPS = "".join(f"{{% for a{depth} in x %}}" for depth in range(90)) + "{{ a1 }}" * 4000 + "{% endfor %}" * 90


async def test_a_text_that_takes_too_long_to_read_is_refused_and_what_was_good_stays_in_force(
    folder, monkeypatch
):
    path = write(folder, "order-to-license/order-note.en.j2", "{{ order }}")
    await render(note())
    quick = Confined(seconds=0.1, modules=["hookline.texts.names"])
    monkeypatch.setattr(in_force, "_processes", lambda: quick)
    path.write_text(LOOPS)

    [problem] = await problems_of(Texts(folder), settings().home)
    quick.close()

    assert f"{path}: it takes longer than 0.1 s to read. Make it shorter, or simpler." == problem.detail
    assert "its last good version stays in force" == problem.instead


def test_a_name_that_the_text_gives_to_something_is_no_value_of_ours_wherever_it_is():
    assert [] == found(
        "{% set licenses = order %}{{ licenses.upper() }}{% for licenses in licenses %}{% endfor %}"
    )
    assert [] == found(
        "{% for each in licenses %}{% if each %}{% set each = order %}{{ each.upper() }}{% endif %}{% endfor %}"
    )
    assert [] == found("{% macro line(order) %}{{ order.anything }}{% endmacro %}{{ line(licenses) }}")


# Declarations


def test_a_value_without_example_cannot_be_declared():
    with pytest.raises(ConfigurationError, match="could not be previewed"):

        class Bare(Note, workflow="order-to-license", name="bare"):
            order: str = Field(description="the number")


async def test_a_date_can_be_written_as_a_language_has_it(folder):
    text = ReminderMail(
        customer="Nord", contact="Anna", license="1", part="P", until=date(2026, 12, 31), quote="7"
    )

    assert "31.12.2026" in (await render(text, "de"))["body"]


# Files as they come from editors, from Git and from a firm's disks


async def test_the_mark_that_notepad_writes_is_no_part_of_a_text(folder):
    write(folder, "order-to-license/order-note.en.j2", "\ufeffOurs: {{ order }}")
    write(folder, "order-to-license/mail.fr.j2", "\ufeff{% block body %}Bonjour{% endblock %}")
    mail = LicensesMail(order="1", customer="Nord", contact="Anna", licenses=[])

    assert "Ours: 100123" == await render(note())
    assert {"body": "Bonjour"} == await render(mail, "fr")


async def test_a_file_that_is_just_being_written_and_so_empty_leaves_the_last_good(folder):
    path = write(folder, "order-to-license/order-note.en.j2", "Ours: {{ order }}")
    await render(note())
    path.write_text("")

    assert "Ours: 100123" == await render(note())
    with pytest.raises(ConfigurationError, match=r"order-note\.en\.j2, line 1: is empty"):
        await read_texts(Texts(folder))


async def test_a_file_that_was_put_in_place_with_the_same_age_and_length_is_in_force(folder):
    path = write(folder, "order-to-license/order-note.en.j2", "one {{ order }}")
    await render(note())
    age = path.stat().st_mtime_ns
    other = write(folder, "order-to-license/draft.md", "two {{ order }}")
    os.utime(other, ns=(age, age))
    other.replace(path)

    assert "two 100123" == await render(note())


async def test_what_is_hidden_such_as_the_folder_of_git_is_left_alone(folder):
    write(folder, "order-to-license/order-note.en.j2", "{{ order }}")
    for name in (".git/HEAD", "order-to-license/..2025/order-note.en.j2"):
        (folder / name).parent.mkdir()
        write(folder, name, "{{ nonsense }}")

    assert await read_texts(Texts(folder))


async def test_a_folder_in_which_no_text_is_looked_for_is_found(folder):
    inner = folder / "order-to-license/order-note.en.j2"
    inner.mkdir(parents=True)

    with pytest.raises(ConfigurationError, match="is a folder, in which no text is looked for"):
        await read_texts(Texts(folder))


async def test_a_copy_in_a_folder_of_a_folder_is_no_text(folder):
    (folder / "old/order-to-license").mkdir(parents=True)
    write(folder, "old/order-to-license/order-note.fr.j2", "{{ order }}")

    with pytest.raises(ConfigurationError, match="old/order-to-license: is a folder"):
        await read_texts(Texts(folder))


async def test_a_link_to_nothing_is_found_and_brings_no_shipped_text(folder):
    (folder / "order-to-license").mkdir()
    (folder / "order-to-license/order-note.en.j2").symlink_to(folder / "gone")

    for reading in (render(note()), read_texts(Texts(folder))):
        with pytest.raises(ConfigurationError, match="Cannot read"):
            await reading


async def test_what_is_no_file_is_not_waited_for(folder):
    (folder / "order-to-license").mkdir()
    os.mkfifo(folder / "order-to-license/order-note.en.j2")

    with pytest.raises(ConfigurationError, match="is no file"):
        await render(note())


async def test_a_folder_that_went_away_brings_no_shipped_text_to_a_customer(folder):
    await render(note())
    folder.rmdir()

    with pytest.raises(ConfigurationError, match="is not there"):
        await render(note())


@pytest.mark.parametrize("language", ["DE-AT", "de_AT", "de-" + "abcdefgh-" * 100 + "x", "../../etc", "", "\0", "\ud800"])  # fmt: skip
async def test_any_language_gets_a_text(folder, language):
    expected = "Ihre" if language[:3] in {"DE-", "de_"} else "Your"
    mail = LicensesMail(order="1", customer="Nord", contact="Anna", licenses=[])

    assert (await render(mail, language))["subject"].startswith(expected)


async def test_a_file_that_took_too_long_is_judged_again(folder, monkeypatch):
    busy = "{% for a in 'x' * 5000 %}{% for b in 'x' * 5000 %}{% endfor %}{% endfor %}"
    path = write(folder, "order-to-license/order-note.en.j2", "one")
    await render(note())
    path.write_text(f"{busy}two")

    monkeypatch.setattr(in_force._processes(), "seconds", 0.1)
    assert "one" == await render(note())
    monkeypatch.setattr(in_force._processes(), "seconds", 60)
    assert "two" == await render(note())


# Values that are no text


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ order.upper }}", "line 1: a builtin_function_or_method is no text"),
        ("{{ licenses }}", "line 1: a list is no text"),
        ("{{ licenses|map(attribute='cod')|list }}", "line 1: a list is no text"),
        ("{{ licenses[0] }}", "line 1: a dict is no text"),
        ("{% if added %}\n{{ order.number }}{% endif %}", "line 2: order has no number: it is a str, and no group"),
        ("{% if not order %}{{ licenses.code }}{% endif %}", "line 1: licenses has no code: it is a list"),
    ],
)  # fmt: skip
async def test_what_is_no_text_is_found_and_not_written(folder, source, message):
    path = write(folder, "order-to-license/order-note.en.j2", source)

    with pytest.raises(ConfigurationError) as raised:
        await judged(Template(path, OrderNote, "en"))
    assert message in str(raised.value)


async def test_what_no_database_holds_is_replaced(folder):
    assert "�: 1" in await render(note(licenses=[License(part="\ud800", code="1")]))
    assert "a�b: 1" in await render(note(licenses=[License(part="a\0b", code="1")]))


@pytest.mark.parametrize(
    "source",
    [
        "{% set between %}, {% endset %}{{ [customer, order]|join(between) }}",
        "{% set mark %}-{% endset %}{{ mark ~ customer }}{{ mark + customer }}",
        "{% macro line(each) %}{{ each }}{% endmacro %}{{ line(customer) ~ customer }}",
        "{{ customer|replace('q', 'z')|striptags|trim }}",
    ],
)
async def test_no_detour_brings_a_link_into_a_markdown_text(folder, source):
    write(folder, "order-to-license/report.en.j2", source)
    report = Report(order="1", customer="[x](http://evil.example)", account="1", email="", lines=[])

    assert "](" not in (await render(report)).replace(r"\]\(", "")


def test_a_markdown_text_has_no_way_around_escaping():
    assert ["line 1: there is no filter safe"] == [
        each.partition(" (")[0] for each in found("{{ customer|safe }}", Report)
    ]


def test_thousands_of_mistakes_are_named_as_the_first_of_them():
    mistaken = found("".join(f"{{{{a{number}}}}}" for number in range(5000)))

    assert MAX_MISTAKES == len(mistaken)
