"""
The files of texts: `<workflow>/<name>.<language>.j2`, or `….html.j2` for a mail in HTML.

The firm's folder comes first; what it does not have is taken from the files that are shipped.
"""

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from hookline import project
from hookline.errors import ConfigurationError
from hookline.settings import Settings
from hookline.text import do_you_mean, one_line
from hookline.texts.declared import Text, declared
from hookline.texts.rendering import Form, WrongTemplate

SHIPPED: Final = project.SHIPPED / "templates"
LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,4}")
"""A language as BCP 47 writes it, in lower case: `de` or `de-at`."""
FALLBACK: Final = "en"
"""The language that each shipped text has."""
MAX_BYTES: Final = 65_536
MAX_NAME: Final = 200
"""Characters of a name that are repeated in an error."""
ENDINGS: Final = (".j2", ".html.j2")
_Key = tuple[str, str, str]
_NAME: Final = re.compile(r"(?P<name>[^.]+)\.(?P<language>[^.]+)(?P<html>\.html)?\.j2")
_NO_TEMPLATES: Final = re.compile(r"\..*|.*~|.*\.md")
"""Names of files that are no templates: hidden ones, an editor's copies, descriptions."""


@dataclass(frozen=True)
class Template:
    """One file of a text."""

    path: Path
    text: type[Text]
    language: str

    @property
    def form(self) -> Form:
        """What it is written in, which decides what is escaped."""
        if self.path.name.endswith(".html.j2"):
            return "html"
        return "markdown" if self.text.markdown else "plain"

    @property
    def label(self) -> str:
        """The path from the folder of texts."""
        return f"{self.path.parent.name}/{self.path.name}"

    def read(self) -> str:
        """
        Return what the file has.

        Raises:
            ConfigurationError: it cannot be read, is no text, or is too long; names it.
        """
        try:
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise ConfigurationError(f"{self.path} is no file. Put a text in its place.")
            with self.path.open("rb") as opened:
                content = opened.read(MAX_BYTES + 1)
        except OSError as error:
            raise ConfigurationError(f"Cannot read {self.path}: {error.strerror}.") from None
        if len(content) > MAX_BYTES:
            raise ConfigurationError(f"{self.path} is longer than the {MAX_BYTES:,} bytes of a text.")
        try:
            return content.decode("utf-8-sig")  # Windows' Notepad writes the mark
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise ConfigurationError(f"{self.path}, line {line}: is no text in UTF-8.") from None

    def wrong(self, *found: WrongTemplate) -> ConfigurationError:
        """Return the error about it."""
        return ConfigurationError("\n  ".join(f"{self.path}, {each}" for each in found))


class Texts:
    """The folders of texts: the firm's and the shipped one."""

    def __init__(self, folder: Path, language: str = FALLBACK) -> None:
        """
        Name the folder.

        Args:
            folder: the firm's.
            language: the firm's.
        """
        self.folder = folder
        self.language = language
        own = folder.resolve()
        self.folders = [folder] if own == SHIPPED.resolve() else [folder, SHIPPED]

    @classmethod
    def of_settings(cls, settings: Settings, language: str) -> Self:
        """Return the texts of these settings: a folder that nobody named may be missing."""
        beside = settings.catalog.parent / "templates"
        return cls(settings.templates or (beside if beside.is_dir() else SHIPPED), language)

    def templates(self) -> list[Template]:
        """Return every file that is used, those of the firm's folder first."""
        texts = declared()
        found: dict[_Key, Template] = {}
        for folder in self.folders:
            of_folder: dict[_Key, Template] = {}
            for path in _files(folder):
                template = _template(path, texts)
                if isinstance(template, Template):
                    of_folder.setdefault(_key(template), template)
            found = {**of_folder, **found}
        return [found[key] for key in sorted(found)]

    def of(self, text: type[Text], language: str) -> Iterator[Template]:
        """Yield the files of a text that there are, that in the language first, then those that stand in for it."""
        for each in dict.fromkeys([*_wider(language), *_wider(self.language), FALLBACK]):
            for folder in self.folders:
                for ending in ENDINGS if text.blocks else ENDINGS[:1]:
                    path = folder / text.workflow / f"{text.name}.{each}{ending}"
                    if _is_there(path):
                        yield Template(path, text, each)

    def find(self, name: str, language: str | None = None) -> Template:
        """
        Return a template by its path, also from the folder, or by workflow and text: `order-to-license/mail`.

        Args:
            name: the path.
            language: of a text; unless it is named, the firm's.

        Raises:
            ConfigurationError: there is none.
        """
        texts = declared()
        for path in (Path(name), *(folder / name for folder in self.folders)):
            if _is_file(path):
                found = _template(path.absolute(), texts)
                if isinstance(found, str):
                    raise ConfigurationError(f"{path}: {found}")
                return found if language is None else self._in(found.text, language)
        workflow, _, text = name.strip("/").rpartition("/")
        if (workflow, text) in texts:
            return self._in(texts[workflow, text], language)
        known = {"/".join(each) for each in texts}
        raise ConfigurationError(
            f"There is no text {one_line(name, MAX_NAME)}{do_you_mean(name, known)}. See them all with: hookline render"
        )

    def _in(self, text: type[Text], language: str | None) -> Template:
        found = next(self.of(text, language or self.language), None)
        if found is None:
            raise ConfigurationError(f"{text.workflow}/{text.name} has no file. Put {text.name}.en.j2 back.")
        return found

    def misplaced(self) -> list[str]:
        """Return what is wrong with the folder itself: unknown files, two of one text, texts without a file."""
        texts = declared()
        if not self.folder.is_dir():
            return [f"{self.folder} is not there. Make it, or correct HOOKLINE_TEMPLATES."]
        problems: list[str] = []
        seen: dict[_Key, Path] = {}
        for path in _files(self.folder):
            template = (
                "is a folder, in which no text is looked for" if path.is_dir() else _template(path, texts)
            )
            if isinstance(template, str):
                problems.append(f"{path}: {template}")
            elif (first := seen.setdefault(_key(template), path)) != path:
                problems.append(f"{path}: {first.name} is the same text in the same language; remove one")
        for text in texts.values():
            if next(self.of(text, self.language), None) is None:
                path = self.folder / text.workflow / f"{text.name}.{self.language}.j2"
                problems.append(f"{path} is missing: the workflow would have nothing to write")
        return problems


def _files(folder: Path) -> Iterator[Path]:
    """Yield what should be a text: all but folders of workflows, and what is hidden, such as Git's."""
    for path in sorted([*folder.glob("*"), *folder.glob("*/*")]):
        hidden = any(_NO_TEMPLATES.fullmatch(name) for name in path.relative_to(folder).parts)
        if not hidden and not (path.parent == folder and path.is_dir()):
            yield path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _is_there(path: Path) -> bool:
    """Return True also of what cannot be read: another text in its place would not be noticed."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _template(path: Path, texts: Mapping[tuple[str, str], type[Text]]) -> Template | str:
    """Return the template of a file, or why it is none."""
    workflow = path.parent.name
    workflows = {of for of, _ in texts}
    if workflow not in workflows:
        return f"there is no workflow {workflow}{do_you_mean(workflow, workflows)}"
    parts = _NAME.fullmatch(path.name)
    if parts is None:
        return "a text is a file such as mail.en.j2: the name of the text, its language, j2"
    names = [name for of, name in texts if of == workflow]
    if parts["name"] not in names:
        return f"{workflow} has no text {parts['name']}{do_you_mean(parts['name'], names)}: it has {', '.join(names)}"
    if not LANGUAGE.fullmatch(parts["language"]):
        return (
            f"{parts['language']} is no language: use its short form in lower case, such as en, de or de-at"
        )
    text = texts[workflow, parts["name"]]
    if parts["html"] and not text.blocks:
        return "only a mail may be in HTML: call it " + path.name.replace(".html", "")
    return Template(path, text, parts["language"])


def _wider(language: str) -> list[str]:
    """Return a language and what it is a kind of: `de-at`, then `de`; nothing for what is no language."""
    language = language.replace("_", "-").lower()
    if not LANGUAGE.fullmatch(language):
        return []
    parts = language.split("-")
    return ["-".join(parts[:number]) for number in range(len(parts), 0, -1)]


def _key(template: Template) -> _Key:
    return template.text.workflow, template.text.name, template.language
