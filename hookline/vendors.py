"""
The registry of vendors: each is one package, registered by an entry point or found in the project folder.

    [project.entry-points."hookline.vendors"]
    acme = "hookline_acme.vendor:VENDOR"          # an installed distribution, and the shipped vendors too

    acme/vendors/<name>/vendor.py with VENDOR     # a project; or in the package's `__init__.py`

`VENDOR` is a `Vendor`: names, and references to the parts, of which none is loaded before it is used. Whatever lists
vendors reads it here. A package that cannot be used is reported once, in words, and stops no other.
"""

import importlib
import keyword
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from threading import RLock
from typing import Any, Final

from hookline.errors import ConfigurationError
from hookline.project import find_project
from hookline.text import one_line

logger = logging.getLogger(__name__)

GROUP: Final = "hookline.vendors"
"""The group of entry points that register vendors."""
PROJECT_PACKAGE: Final = "vendors"
"""The folder of a project whose packages are vendors."""
RESERVED: Final = frozenset({"hookline", "prefect", "default"})
"""Names whose variables or blocks would be taken for others."""

KINDS: Final = {
    "settings": "hookline.settings:VendorSettings",
    "client": "hookline.clients.transport:VendorClient",
    "block": "blocks.base:VendorCredentials",
    "simulator": "hookline.simulators.control:Simulator",
}
"""The class that each part is a subclass of; the other parts are modules."""

_NAME: Final = re.compile(r"[a-z][a-z0-9]{0,29}")
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """
    A vendor: its names, and where its parts are.

    A part is written `module:Class`, or as a module alone, and is loaded when it is first used.
    """

    name: str
    """Begins its operations (`acme.get_order`), variables (`ACME_BASE_URL`), blocks (`acme-credentials`) and limits."""
    title: str
    """What people call it."""
    settings: str
    """The settings of an account, a subclass of `hookline.settings.VendorSettings`."""
    client: str
    """The client with the operations, a subclass of `hookline.clients.VendorClient`."""
    block: str
    """The Prefect block, a subclass of the settings and of `blocks.VendorCredentials`."""
    tasks: str
    """The module with a task for each operation."""
    simulator: str = ""
    """The stand-in for the sandbox, a subclass of `hookline.simulators.Simulator`; "": there is none."""
    probe: str = ""
    """The module with the steps of `hookline probe`; "": there are none."""
    facts: Path | None = None
    """The table of what is known about the vendor (`facts.yaml`)."""
    letters: str = ""
    """What its logo shows; "": the beginning of the title."""
    colour: str = ""
    """The colour of its logo, such as `#0b6e4f`; "": one drawn by the name."""
    rank: int = 100
    """Its place in lists and among the ports of the sandbox: the lowest first, then by name."""

    def __post_init__(self) -> None:
        if problem := name_problem(self.name):
            raise ValueError(problem)
        if self.colour and not _COLOUR.fullmatch(self.colour):
            raise ValueError(f"its colour {self.colour!r} is none, such as #0b6e4f")

    @property
    def prefix(self) -> str:
        """Return the beginning of its variables."""
        return f"{self.name.upper()}_"

    @property
    def mark(self) -> tuple[str, str]:
        """Return the letters and the colour of its logo."""
        digest = sha256(self.name.encode()).digest()
        drawn = "#" + "".join(f"{each % 128:02x}" for each in digest[:3])  # dark, under white letters
        return self.letters or self.title[:2], self.colour or drawn


class UnusableVendor(ConfigurationError):
    """A vendor's package cannot be used."""

    def __init__(self, name: str, place: str, reason: str) -> None:
        super().__init__(
            f"The vendor {name} cannot be used: {one_line(reason)} ({place}). "
            "Correct its package, or take it away; the other vendors work as before."
        )
        self.arguments = (name, place, reason)
        self.name = name

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        """Pickle by its arguments: Prefect stores the error of a failed run."""
        return type(self), self.arguments


class NoPart(ConfigurationError, KeyError):
    """There is no such vendor, or it has no such part."""

    __str__ = Exception.__str__  # a `KeyError` would quote it


def name_problem(name: str) -> str | None:
    """Return why a vendor cannot have this name; None if it can."""
    if not _NAME.fullmatch(name):
        return f"the name {name[:40]!r} must be a small letter, then small letters and digits, at most 30"
    if keyword.iskeyword(name):
        return f"the name {name!r} is a word of Python"
    return f"the name {name!r} is Hookline's own" if name in RESERVED else None


def vendors() -> Mapping[str, Vendor]:
    """Return the vendors that are registered, by name, in the order of their rank; none of their parts is loaded."""
    return _registry().vendors


def place(name: str) -> str:
    """Return where a vendor is registered, for people."""
    return _registry().places[name]


def part(name: str, kind: str) -> Any:
    """
    Return a part of a vendor, loaded.

    Args:
        name: of the vendor.
        kind: the field of `Vendor` that refers to the part.

    Raises:
        NoPart: there is no such vendor, or it has no such part.
        UnusableVendor: its package, or this part, cannot be used; says where and why.
    """
    return _registry().part(name, kind)


def problems() -> list[UnusableVendor]:
    """Return what is wrong with vendors' packages; loads every part of each."""
    found = dict(_registry().unusable)
    for vendor in vendors().values():
        for kind in ("settings", "client", "block", "tasks", "simulator", "probe"):
            try:
                if getattr(vendor, kind):
                    part(vendor.name, kind)
            except UnusableVendor as error:
                found.setdefault(str(error), error)
    return list(found.values())


def report(name: str, kind: str, error: BaseException) -> UnusableVendor:
    """Log what went wrong in a part of a vendor, in words and with its place, and return it."""
    registry = _registry()
    where = f"{registry.places[name]}, {kind} {getattr(registry.vendors[name], kind)}"
    return _report(UnusableVendor(name, where, _reason(error)))


def unusable_prefixes() -> tuple[str, ...]:
    """Return the beginnings of the variables of vendors whose settings cannot be read: each may be a secret."""
    registry, usable = _registry(), set(Parts("settings"))
    names = {*registry.vendors, *(error.name for error in registry.unusable.values())} - usable
    return tuple(f"{name.upper()}_" for name in sorted(names) if name_problem(name) is None)


def sandbox_ports(first: int) -> dict[str, int]:
    """Return the port of each vendor's simulator, one after another."""
    simulated = (name for name, vendor in vendors().items() if vendor.simulator)
    return {name: first + number for number, name in enumerate(simulated)}


class Parts(Mapping[str, Any]):
    """
    One part of every vendor, by the vendor's name, each loaded when it is used.

    A part that cannot be loaded is left out and logged once; asked for by name, it raises `UnusableVendor`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __getitem__(self, name: str) -> Any:
        return part(name, self.kind)

    def __contains__(self, name: object) -> bool:
        try:
            part(str(name), self.kind)
        except (KeyError, UnusableVendor):
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return (name for name in vendors() if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


# Finding them ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """A package that says it is a vendor."""

    name: str
    place: str
    """Where it is registered, for people."""
    reference: str


@dataclass
class _Registry:
    vendors: dict[str, Vendor] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    unusable: dict[str, UnusableVendor] = field(default_factory=dict)
    """By its text."""
    loaded: dict[tuple[str, str], Any] = field(default_factory=dict)

    def part(self, name: str, kind: str) -> Any:
        if (name, kind) not in self.loaded:
            self.loaded[name, kind] = self._load(name, kind)
        value = self.loaded[name, kind]
        if isinstance(value, UnusableVendor):
            raise value
        return value

    def _load(self, name: str, kind: str) -> Any:
        if name not in self.vendors:
            refused = next((each for each in self.unusable.values() if each.name == name), None)
            if refused is None:
                raise NoPart(f"There is no vendor {name[:40]!r}. There is: {', '.join(self.vendors)}.")
            return refused
        vendor = self.vendors[name]
        if not (reference := getattr(vendor, kind)):
            raise NoPart(f"The vendor {name} has no {kind}.")
        try:
            return _part(vendor, kind, reference)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever a stranger's package does)
            return report(name, kind, error)


def _registry() -> _Registry:
    project = find_project()
    if project and str(project) not in sys.path:  # a command that only lists does not put it in force
        sys.path.append(str(project))
    return _read(tuple(sys.path))


_reading = RLock()
_path_being_read: list[tuple[str, ...]] = []


@lru_cache(maxsize=8)
def _read(path: tuple[str, ...]) -> _Registry:
    with _reading:  # by one thread, which comes here again only from a package that it imports
        if _path_being_read:
            raise ConfigurationError("it asks for the vendors while it is imported")
        _path_being_read.append(path)
        try:
            return _read_all()
        finally:
            _path_being_read.clear()


def _read_all() -> _Registry:
    registry = _Registry()
    found: dict[str, Vendor] = {}
    for each in [*_registered(), *_in_project()]:
        try:
            vendor = _vendor(each, registry.places)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever a stranger's package does)
            unusable = UnusableVendor(each.name[:40], each.place, _reason(error))
            registry.unusable[str(unusable)] = _report(unusable)
        else:
            found[each.name], registry.places[each.name] = vendor, each.place
    if not found:
        raise ConfigurationError(
            "No vendor is registered: install Hookline again, so that its entry points are read (make setup)."
        )
    registry.vendors = dict(sorted(found.items(), key=lambda one: (one[1].rank, one[0])))
    return registry


def _registered() -> list[_Found]:
    """Return the vendors of installed distributions, Hookline's own first: nobody takes the name of one."""

    def order(entry: EntryPoint) -> tuple[bool, str, str]:
        return (_distribution(entry) != "hookline", _distribution(entry), entry.name)

    return [
        _Found(each.name, f"entry point of the distribution {_distribution(each)}", each.value)
        for each in sorted(entry_points(group=GROUP), key=order)
    ]


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "?"


def _in_project() -> Iterator[_Found]:
    """Yield the packages of the folder `vendors` of the project."""
    spec = find_spec(PROJECT_PACKAGE)
    folders = {Path(folder).resolve() for folder in (spec and spec.submodule_search_locations) or ()}
    for folder in sorted(folders):
        for package in sorted(folder.glob("*/")):
            for module, reference in (("vendor", ".vendor:VENDOR"), ("__init__", ":VENDOR")):
                if (package / f"{module}.py").is_file():
                    yield _Found(package.name, str(package), f"{PROJECT_PACKAGE}.{package.name}{reference}")
                    break


def _vendor(found: _Found, taken: Mapping[str, str]) -> Vendor:
    """Return what a package registers; raise if it is no vendor, or its name is taken."""
    if problem := name_problem(found.name):
        raise ValueError(problem)
    if found.name in taken:
        raise ValueError(f"the name is taken by {taken[found.name]}")
    value = _resolved(found.reference)
    if not isinstance(value, Vendor):
        raise TypeError(f"{found.reference} is no hookline.vendors.Vendor")
    if value.name != found.name:
        raise ValueError(f"it is registered as {found.name} and names itself {value.name}")
    return value


# Loading parts -----------------------------------------------------------------------------------------------


def _resolved(reference: str) -> Any:
    """Return what a reference names; whatever is printed while it is imported goes to stderr."""
    module, _, name = reference.partition(":")
    with redirect_stdout(sys.stderr):
        value = importlib.import_module(module)
    if not name:
        return value
    if not hasattr(value, name):
        raise AttributeError(f"{module} has no {name}")
    return getattr(value, name)


def _part(vendor: Vendor, kind: str, reference: str) -> Any:
    """Return a part; raise if it is not what its vendor says."""
    value = _resolved(reference)
    if kind not in KINDS:
        return value
    base = _resolved(KINDS[kind])
    if not (isinstance(value, type) and issubclass(value, base)):
        raise TypeError(f"it is no subclass of {base.__module__}.{base.__name__}")
    for attribute, expected in _attributes(vendor, kind).items():
        if (own := getattr(value, attribute, None)) != expected:
            raise ValueError(f"its `{attribute}` must be {expected!r}, and is {own!r}")
    for method in ("connect", "decode") if kind == "client" else ():
        if getattr(value, method).__func__ is getattr(base, method).__func__:
            raise TypeError(f"it does not define `{method}`")
    return value


def _attributes(vendor: Vendor, kind: str) -> dict[str, str]:
    """Return what a part must say of itself."""
    match kind:
        case "settings":
            return {"prefix": vendor.prefix}
        case "block":
            return {"vendor": vendor.name, "_block_type_slug": f"{vendor.name}-credentials"}
        case _:
            return {"vendor": vendor.name}


def _reason(error: BaseException) -> str:
    match error:
        case SystemExit():
            return f"its import ends the process ({error.code})"
        case ValueError() | TypeError() | ConfigurationError():
            return str(error)
        case _:
            return f"{type(error).__name__}: {error}"


def _report(error: UnusableVendor) -> UnusableVendor:
    logger.warning("%s", error)
    return error
