"""The sentences by which Zentitle says that a write was done, was refused, or that something is not there."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final, Self

SEPARATOR: Final = ";"
"""Between sentences in a setting: none of the vendor's has it."""
MAX_SENTENCE: Final = 500
"""Longer texts are no sentences, but certificates."""

# What the document shows: `OK`, or a sentence with the word "Successfully".
_DONE = re.compile(r"(?i)(?!.*\bnot\b)(ok|.*\bsuccessfully\b.*)")
# The document's own word of it, "does not exist", and others like it.
_ABSENT = re.compile(
    r"(?i).*\b(not (be )?found|(does|do) ?n[o']t exist|no such|unknown|no records?|no system info data)\b.*"
)
_EMPTY = re.compile(r"(?i)no (\w+ ){0,3}(found|available)|no (records?|results?|rows|data)")
# Of a write that has a documented sentence. What is none of these is looked up.
_REFUSED = re.compile(
    r"(?i)(error|not|no|cannot|please|invalid|unknown)\b.*"
    r"|.*\b((does|do|did) ?n[o']t exist|not found|already (exists?|in use).*)"
    r"|.*\b((is|are) (not|invalid|mandatory|required)|must (be|have)|has (no|been activated|expired))\b.*"
)

# A fault of the vendor's own: it says neither that a record is not there nor that a write was not done.
_FAULT = re.compile(
    r"(?i).*(time[d -]?out\b|\bunknown (error|fault|failure|problem)|\bunexpected|\binternal\b|exception\b|\bdead-?lock"
    r"|\b(try|retry)\b.*\b(again|later)\b|\btemporar|\bunavailable\b|\bobject reference\b|\bconnection\b).*"
)


def sentences_in(setting: str | None) -> tuple[str, ...]:
    """Return the sentences of a setting."""
    return tuple(each for part in (setting or "").split(SEPARATOR) if (each := " ".join(part.split())))


@dataclass(frozen=True)
class Sentences:
    """What is known of an account's sentences: the documented ones, and those that its settings add."""

    done: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @classmethod
    def of(cls, done: str | None = None, refused: str | None = None, absent: str | None = None) -> Self:
        """Return those of an account by its settings."""
        return cls(*map(sentences_in, (done, refused, absent)))

    def is_own(self, text: str) -> bool:
        """Return True if the account's own settings say that a text means done."""
        return _is_one_of(text, self.done)

    def says_done(self, text: str) -> bool:
        """Return True if a write's answer says that it was done."""
        return self.is_own(text) or bool(_DONE.fullmatch(_plain(text)))

    def says_refused(self, text: str, *, is_documented: bool) -> bool:
        """Return True if a write's answer says that nothing was done; known beforehand only of documented writes."""
        own = _is_one_of(text, (*self.refused, *self.absent))
        return own or (is_documented and not _is_fault(text) and bool(_REFUSED.fullmatch(_plain(text))))

    def says_absent(self, text: str) -> bool:
        """Return True if a text in the place of a record says that there is none."""
        return _is_one_of(text, self.absent) or (
            not _is_fault(text) and bool(_ABSENT.fullmatch(_plain(text)))
        )

    def says_empty(self, text: str) -> bool:
        """Return True if a text in the place of a list says that it has no rows."""
        return _is_one_of(text, self.absent) or bool(_EMPTY.fullmatch(_plain(text)))


DOCUMENTED: Final = Sentences()


def _is_fault(text: str) -> bool:
    return bool(_FAULT.fullmatch(_plain(text)))


def _is_one_of(text: str, sentences: Iterable[str]) -> bool:
    plain = _plain(text)
    return any(_pattern(each).fullmatch(plain) for each in sentences)


def _plain(text: str) -> str:
    """Return the start of a text in one line, without a full stop at its end."""
    return " ".join(text[:MAX_SENTENCE].split()).rstrip(". ")


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, sentence.rstrip(". ").split("*"))), re.IGNORECASE)
