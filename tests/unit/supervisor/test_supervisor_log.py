import errno
import io

import pytest

from hookline.supervisor.log import MAX_LINE, Lines, Log


def written(*chunks):
    lines = Lines()
    return [line for chunk in chunks for line in lines.feed(chunk)] + lines.feed(b"", last=True)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"o", b"ne\nt", b"wo"], ["one", "two"]),
        ([b"one\r\n", b"two\r", b"\n"], ["one", "two"]),
        ([b"\n"], [""]),
        ([], []),
    ],
)
def test_lines_are_whole_however_they_arrive(chunks, expected):
    assert expected == written(*chunks)


def test_a_letter_cut_in_two_by_a_chunk_is_whole_again():
    first, second = "é".encode()[:1], "é".encode()[1:]

    assert ["é"] == written(first, second)


def test_a_long_line_comes_in_pieces_and_none_of_it_is_lost():
    pieces = written(b"x" * (3 * MAX_LINE), b"y\nshort\n")

    assert ["x" * MAX_LINE] * 3 + ["y", "short"] == pieces


def test_a_long_line_in_one_chunk_comes_in_pieces_too():
    assert ["x" * MAX_LINE, "x"] == written(b"x" * (MAX_LINE + 1) + b"\n")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07text", "text"),
        (b"\x1b[2J\x1b[Hcleared", "cleared"),
        (b"10%\r50%\r100%", "100%"),
        (b"\x00\x07\xff", r"\u{0}\u{7}" + "\ufffd"),
        ("a\u2028b\u202e".encode(), r"a\u{2028}b\u{202e}"),
        (b"tab\tstays", "tab\tstays"),
    ],
)
def test_what_would_disturb_the_terminal_is_not_shown(raw, shown):
    assert [shown] == written(raw)


def test_every_line_is_named_and_the_names_stand_in_one_column():
    file = io.StringIO()
    log = Log(["engine", "gateway"], file)

    log.line("engine", "one [bold]of[/bold] :smile: " + "many " * 100)
    log.line("gateway", "two")

    assert f"engine  │ one [bold]of[/bold] :smile: {'many ' * 100}\ngateway │ two\n" == file.getvalue()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("1", False)])
def test_a_terminal_gets_colours_unless_its_owner_wants_none(monkeypatch, no_color, coloured):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    file = Terminal()

    Log(["engine"], file).line("engine", "text")

    assert coloured == ("\x1b[" in file.getvalue())


def test_a_stream_without_the_letters_still_gets_the_line():
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")

    Log(["engine"], file).line("engine", "é")

    assert b"engine ? ?\n" == raw.getvalue()


class Disk(io.StringIO):
    """A file on a disk that can be full."""

    full = False

    def write(self, text):
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_lines_that_cannot_be_written_are_counted_and_stop_nothing():
    file = Disk()
    log = Log(["engine"], file)

    log.line("engine", "one")
    file.full = True
    for text in ("two", "three"):
        log.line("engine", text)
    file.full = False
    log.line("engine", "four")
    log.line("engine", "five")

    assert [
        "engine │ one",
        "       │ about 2 lines are missing here: they could not be written",
        "engine │ four",
        "engine │ five",
    ] == file.getvalue().splitlines()
