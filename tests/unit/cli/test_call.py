"""`hookline call`: how words become inputs, who is asked, and what is shown. Nothing is sent here."""

import io

import pytest

from hookline.cli import app
from hookline.cli.call import _ask, masked, read_inputs, show_answer, without_secrets
from hookline.cli.operations import find_operation
from hookline.clients import InvalidInput
from hookline.errors import ConfigurationError, HooklineError


class Terminal(io.StringIO):
    def isatty(self):
        return True


def call(*words):
    return app(["call", *words], exit_on_error=False, print_error=False, result_action="return_value")


def given(vendor, operation, *words):
    return read_inputs(find_operation(vendor, operation), words).model_dump(exclude_unset=True)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("pagenumber=2", {"pagenumber": 2}),
        ("pagenumber:=2", {"pagenumber": 2}),
        ("used=true", {"used": True}),
        ("company=", {"company": ""}),
        ("company=007", {"company": "007"}),
        ("company=a=b:=c=@d", {"company": "a=b:=c=@d"}),
        ('company:="@home"', {"company": "@home"}),
        ("company:=null", {"company": None}),
    ],
)
def test_a_word_is_an_input(word, expected):
    assert expected == given("zentitle", "list_license_codes", word)


def test_text_becomes_what_the_model_takes():
    inputs = given("zentitle", "get_license_code", "licensecode=0012", "getnotes=1", "showfeatures=all")

    assert {"licensecode": "0012", "getnotes": 1, "showfeatures": "all"} == inputs


def test_json_becomes_lists_and_objects():
    inputs = given(
        "sensorpro", "upsert_contacts", 'Contact:=[{"PersonalEMail": "a@example.com"}]', 'AddToList=["x"]'
    )

    assert [{"PersonalEMail": "a@example.com"}] == inputs["Contact"]
    assert ["x"] == inputs["AddToList"]


def test_a_file_becomes_text_without_its_last_line_break(tmp_path):
    (tmp_path / "note").write_bytes("two\r\nlines, ü\r\n".encode())

    inputs = given("jiwa", "create_sales_order_note", "InvoiceID=1", f"NoteText=@{tmp_path / 'note'}")

    assert "two\nlines, ü" == inputs["NoteText"]


def test_a_file_becomes_json(tmp_path):
    (tmp_path / "info").write_text('{"email": "a@example.com"}\n')

    inputs = given(
        "zentitle", "create_consumer_data", "productid=1", "computerid=2", f"clientinfo:=@{tmp_path / 'info'}"
    )

    assert {"email": "a@example.com"} == inputs["clientinfo"]


def test_standard_input_becomes_text(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("a note\n"))

    inputs = given("jiwa", "create_sales_order_note", "InvoiceID=1", "NoteText=@-")

    assert "a note" == inputs["NoteText"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["InvoiceId=1"], "Do you mean InvoiceID?"),
        (["InvoiceID=1", "InvoiceID=2"], "InvoiceID is there twice."),
        (["InvoiceID=@/no/such/file"], "InvoiceID: cannot read /no/such/file: No such file or directory."),
        (["InvoiceID:=x"], "InvoiceID is not JSON"),
        (["InvoiceID:=NaN"], "InvoiceID is not JSON"),
        (["InvoiceID=@-", "NoteText=@-"], "Standard input can be read once"),
    ],
)
def test_a_word_that_is_no_input_is_refused_by_name(words, expected):
    with pytest.raises(ConfigurationError) as failure:
        given("jiwa", "create_sales_order_note", *words)

    assert expected in str(failure.value)


@pytest.mark.parametrize("word", ["hunter2", "=hunter2", "Password hunter2", ":=hunter2", "Password:hunter2"])
def test_a_word_that_cannot_be_read_is_not_repeated(word):
    """It may be a password whose name was forgotten."""
    with pytest.raises(ConfigurationError) as failure:
        given("sensorpro", "sign_in", "Organization=o", word)

    assert "Input 2 is not name=value" in str(failure.value)
    assert "hunter2" not in str(failure.value)


def test_an_input_the_model_refuses_is_told_with_the_way_to_call():
    with pytest.raises(InvalidInput) as failure:
        given("zentitle", "create_license_codes", "productid=1", "numcodes=none")

    assert "numcodes" in str(failure.value)
    assert "hookline call zentitle create_license_codes productid=…" in str(failure.value)


def test_a_write_without_a_terminal_needs_yes(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())

    with pytest.raises(ConfigurationError, match="Nothing was sent; to send it, add --yes"):
        call("jiwa", "create_sales_order_note", "InvoiceID=1", "NoteText=x")


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_a_write_is_not_sent_unless_the_person_says_so(monkeypatch, answer):
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    found = find_operation("jiwa", "create_sales_order_note")

    with pytest.raises(HooklineError, match="Nothing was sent"):
        _ask(found, read_inputs(found, ["InvoiceID=1", "NoteText=x"]), "https://jiwa.example")


def test_the_question_tells_what_would_be_sent_and_no_secret(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    found = find_operation("sensorpro", "log_in")

    _ask(found, read_inputs(found, ["Organization=o", "User=ann", "Password=hunter2"]), "https://s.example")
    asked = capsys.readouterr().err

    assert "https://s.example/auth/sys/login" in asked
    assert "User = ann" in asked
    assert "hunter2" not in asked


def test_inputs_are_shown_without_secrets_wherever_they_stand():
    inputs = read_inputs(
        find_operation("sensorpro", "sign_in"), ["Organization=hunter2", "User=ann", "Password=hunter2"]
    )

    assert {"Organization": "***", "User": "ann", "Password": "***"} == masked(inputs)


def test_an_answer_is_shown_without_secrets():
    answer = {
        "Token": "t",
        "rows": [{"BearerToken": "b", "note": "the key is s3cret"}],
        "n": 1,
        "Tokens": "x",
    }

    clean = without_secrets(answer, ["s3cret"])

    assert {
        "Token": "***",
        "rows": [{"BearerToken": "***", "note": "the key is ***"}],
        "n": 1,
        "Tokens": "x",
    } == clean


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, ["done"]),
        ("a text [x]", ["a text [x]"]),
        (["1", "2"], ["1", "2"]),
        ([], ["nothing found"]),
        ([{"a": 1, "b": None}, {"a": 2}], ["a", "1", "2"]),
        ({"a": {"b": 1, "c": ""}}, ["field  value", "a.b    1"]),
        ({"Total": 1, "Results": [{"x": "y"}]}, ["field  value", "Total  1", "", "Results", "x", "y"]),
        ({}, ["nothing found"]),
    ],
)
def test_an_answer_is_shown_for_people(capsys, answer, expected):
    show_answer(answer)

    assert expected == [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_columns_that_find_no_place_are_named(capsys):
    show_answer([{f"column{number}": number for number in range(1, 11)}])

    assert "and column9, column10: with --json" in capsys.readouterr().out


def test_help_without_an_operation_tells_how_to_call(capsys):
    call("--help")

    assert "hookline call VENDOR" in capsys.readouterr().out


def test_help_behind_an_operation_tells_its_inputs(capsys):
    call("zentitle", "create_license_codes", "--help")

    assert "numcodes" in capsys.readouterr().out


def test_a_vendor_alone_lists_its_operations(capsys):
    call("sensorpro")

    assert "trigger_email" in capsys.readouterr().out


def test_no_vendor_is_an_error_that_names_them():
    with pytest.raises(ConfigurationError, match="jiwa, zentitle, sensorpro"):
        call()
