"""The package of a vendor: its files, rendered from templates and written at once or not at all."""

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import jinja2

from hookline.errors import ConfigurationError
from hookline.new_vendor.document import Document, SpecError, read_document
from hookline.new_vendor.models import LINE, Attribute, Made, Model, Models, quoted
from hookline.new_vendor.names import ascii_words, field_name, snake
from hookline.new_vendor.proposals import Proposal, Proposals, Shape
from hookline.new_vendor.source import Code, Tree, call, comment, filled, imports, literal, nested
from hookline.new_vendor.spec import Login, Service, plain_text, read_service
from hookline.vendors import name_problem, vendors

EXAMPLE: Final = Path(__file__).with_name("example.yaml")
"""The specification that is taken where there is none: an invoice service, to be changed."""
VERB_NAMES: Final = {"GET": "get", "POST": "post", "PUT": "put", "PATCH": "patch", "DELETE": "delete"}
FETCH: Final = (
    '    fetch_token = post("/oauth/token", NoInput, IssuedToken,\n'
    '        "Exchange the id and secret for a token.", repeat="safe", trust="public", session="opens")'
)
SECRETS: Final = frozenset(
    {
        "key",
        "token",
        "secret",
        "password",
        "passwd",
        "auth",
        "authentication",
        "credential",
        "credentials",
        "session",
    }
)
"""Words of headers whose values are secrets."""
_APPLICATION: Final = ("client_id", "client_secret", "token_url", "scope")
_TEXT: Final = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
"""A text of Python, as `quoted` writes it."""
_CHOICES: Final = rf"Literal\[{_TEXT}(?:, {_TEXT})*\]"
_MODELS_OF: Final = {
    "typing": ("Any", "ClassVar", "Literal"),
    "datetime": ("date", "datetime"),
    "pydantic": ("ConfigDict", "SecretStr"),
    "hookline.clients.models": (
        "Amount",
        "Answer",
        "Flag",
        "Input",
        "Joined",
        "Moment",
        "Money",
        "Secret",
        "spelt",
    ),
    "hookline.clients.paging": ("Cursors", "Offsets", "PageNumbers", "Rows"),
}
"""The modules of the names that models use."""


@dataclass(frozen=True)
class Written:
    """What was written."""

    name: str
    folder: Path
    files: tuple[str, ...]
    operations: tuple[tuple[str, str, str], ...]
    """The name of each, what a repeat would do, and why."""
    variables: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Access:
    """How a client logs in, in the words and the code of each file."""

    words: str
    code: Tree
    classes: tuple[str, ...]
    fields: tuple[str, ...]
    sandbox: Mapping[str, str]
    form: tuple[str, ...]
    secret_field: str = ""


@dataclass
class Package:
    """Everything that the templates need."""

    name: str
    service: Service
    models: Models
    made: list[Made]
    proposals: Proposals
    title: str = field(init=False)
    cls: str = field(init=False)
    access: Access = field(init=False)
    of: dict[str, Proposal] = field(init=False)
    shapes: dict[str, Shape] = field(init=False)

    def __post_init__(self) -> None:
        self.title = plain_text(self.service.title)[:45].strip() or self.name.capitalize()
        self.cls = self.name.capitalize()
        self.access = _access(self.name, self.service)
        self.of = {each.call.name: self.proposals.of(each) for each in self.made}
        self.shapes = {each.call.name: self.proposals.shape(each) for each in self.made}


def write_vendor(
    project: Path,
    name: str,
    *,
    spec: Path | None = None,
    operations: tuple[str, ...] = (),
    base_url: str = "",
) -> Written:
    """
    Write the package of a vendor into the folder `vendors` of a project.

    Args:
        project: the project folder.
        name: the vendor's name.
        spec: its OpenAPI text; None for an example.
        operations: those to write; all, unless some are named.
        base_url: the address of its API, in place of the specification's.

    Raises:
        ConfigurationError: the name is taken or none, the specification cannot be used, or a folder of that name is
            there; nothing was written.
    """
    folder = project / "vendors" / name
    _check_name(name, folder)
    document = read_document(spec or EXAMPLE)
    package = package_of(document, name, operations, base_url)
    files = render(package)
    if spec is None:
        files["openapi.yaml"] = EXAMPLE.read_text(encoding="utf-8")
    _write(folder, files)
    return Written(
        name,
        folder,
        tuple(files),
        tuple((each, proposal.repeat, proposal.reason) for each, proposal in package.of.items()),
        tuple(_variables(package)),
        package.service.left_out,
        package.service.notes + ((package.service.login.note,) if package.service.login.note else ()),
    )


def package_of(
    document: Document, name: str, operations: tuple[str, ...] = (), base_url: str = ""
) -> Package:
    """
    Return the package of a vendor as its specification describes it.

    Raises:
        SpecError: the specification cannot be used.
    """
    service = read_service(document, operations, base_url)
    models = Models(document)
    try:
        made = [models.of(each) for each in service.calls]
        return Package(name, service, models, made, Proposals(document, made, f"{name.capitalize()}Client"))
    except RecursionError:
        raise SpecError(f"{document.name}: its schemas are within each other too deeply.") from None


def _check_name(name: str, folder: Path) -> None:
    if problem := name_problem(name):
        raise ConfigurationError(f"Nothing was written: {problem}.")
    if folder.exists():
        raise ConfigurationError(
            f"Nothing was written: {folder} is there, and its files may have been changed. "
            "Take another name, or move the folder away."
        )
    if name in vendors():
        raise ConfigurationError(f"Nothing was written: there is a vendor {name} already. Take another name.")


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files beside the folder, and then rename: there is never half a vendor."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise ConfigurationError(f"Nothing was written: {folder.parent}: {error.strerror}.") from None
    try:
        for name, text in files.items():
            (made / name).write_text(text, encoding="utf-8")
        made.chmod(0o755)
        made.rename(folder)
    except OSError as error:
        raise ConfigurationError(f"Nothing was written: {folder}: {error.strerror}.") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)  # it is there no more under this name, if all went well


def render(package: Package) -> dict[str, str]:
    """Return the files of a package, by name; the same for the same specification."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hookline.new_vendor"),
        autoescape=False,  # noqa: S701  (Python and Markdown; what is not our own passes `quoted` or `plain_text`)
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quoted"] = quoted
    context = _context(package)
    parts = {
        "__init__.py": {},
        "vendor.py": {},
        "settings.py": {},
        "models.py": _models(package),
        "client.py": _client(package),
        "block.py": {},
        "tasks.py": _tasks(package),
        "simulator.py": _simulator(package),
        f"test_{package.name}.py": _test(package),
        "README.md": _readme(package),
    }
    texts = {
        file: environment.get_template(f"{'test.py' if file.startswith('test_') else file}.j2").render(
            context | part
        )
        for file, part in parts.items()
    }
    return {file: f"{text.rstrip()}\n" for file, text in texts.items()}


def _context(package: Package) -> dict[str, Any]:
    access, service = package.access, package.service
    check = next((each for each in package.made if _needs_nothing(each) and _only_reads(package, each)), None)
    example = check or package.made[0]
    return {
        "name": package.name,
        "title": package.title,
        "cls": package.cls,
        "calls": service.calls,
        "login_words": access.words,
        "setting_imports": imports(
            {
                "typing": ["ClassVar"],
                "pydantic": [
                    "Field",
                    *(["SecretStr"] if any("SecretStr" in each for each in access.fields) else []),
                ],
                "hookline.settings": ["VendorSettings"],
            }
        ),
        "fields": access.fields,
        "sandbox": access.sandbox,
        "base_url": service.base_url or f"https://api.{package.name}.example.com",
        "secret_field": access.secret_field,
        "has_token": service.login.kind == "oauth2",
        "version_words": f" of version {plain_text(service.version)}" if plain_text(service.version) else "",
        "check": check and {"name": check.call.name, "inputs": ""},
        "example": {"name": example.call.name, "inputs": "" if _needs_nothing(example) else "..."},
        "account_words": f"{access.words}, by {example.call.name}",
    }


def _only_reads(package: Package, made: Made) -> bool:
    return made.call.verb == "GET" and package.of[made.call.name].repeat == "safe"


def _needs_nothing(made: Made) -> bool:
    filled_in = {str(value) for name, value in made.paging.variables.items() if name.endswith("_input")}
    needed = [each for each in made.call.parameters if each.required and each.name not in filled_in]
    return (
        made.call.verb == "GET"
        and not needed
        and not filled_in & {each.name for each in made.call.parameters if each.required}
    )


# The login ----------------------------------------------------------------------------------------------------


def _access(name: str, service: Service) -> Access:
    """Return how the client logs in, with the headers that every call needs."""
    plain = _login(name, service.login)
    if not service.headers:
        return plain
    headers: dict[str, str] = {}
    taken = {"base_url", *(each.split(":")[0] for each in plain.fields)}
    for each in service.headers:
        headers[each.name] = field_name(snake(each.name) or "header", taken)
        taken.add(headers[each.name])
    pairs = ", ".join(f"{quoted(header)}: account.{setting}" for header, setting in headers.items())
    return Access(
        plain.words,
        ("WithHeaders", [plain.code, f"{{{pairs}}}"]),
        ("WithHeaders", *plain.classes),
        (
            *plain.fields,
            *(
                _setting(setting, _kind(header), f"Sent with every call as {header}.")
                for header, setting in headers.items()
            ),
        ),
        dict(plain.sandbox) | {each.upper(): f"sandbox-{name}-{each}" for each in headers.values()},
        plain.form,
        plain.secret_field,
    )


def _kind(header: str) -> str:
    """Return the type of a header's setting: a secret, if its name says so."""
    return "SecretStr" if SECRETS & set(ascii_words(header)) or header.lower().endswith("apikey") else "str"


def _login(name: str, login: Login) -> Access:
    secret = f"sandbox-{name}-secret"
    key = _setting("api_key", "SecretStr", "The key, or the token.")
    match login.kind:
        case "bearer":
            return Access(
                "a key",
                "BearerKey(account.api_key)",
                ("BearerKey",),
                (key,),
                {"API_KEY": secret},
                ("bearer",),
                "api_key",
            )
        case "header" | "query":
            kind = "KeyInHeader" if login.kind == "header" else "KeyInQuery"
            code = f"{kind}({quoted(login.name)}, account.api_key)"
            return Access(
                "a key", code, (kind,), (key,), {"API_KEY": secret}, (login.kind, login.name), "api_key"
            )
        case "basic":
            return Access(
                "a user and its password",
                "BasicUser(account.username, account.password)",
                ("BasicUser",),
                (
                    _setting("username", "str", "The user."),
                    _setting("password", "SecretStr", "Its password."),
                ),
                {"USERNAME": "sandbox", "PASSWORD": secret},
                ("basic",),
                "password",
            )
        case "oauth2":
            return Access(
                "an application's id and secret",
                ("ClientCredentials", ["cls.fetch_token", *(f"account.{each}" for each in _APPLICATION)]),
                ("ClientCredentials", "IssuedToken"),
                (
                    _setting("client_id", "str", "The application's id."),
                    _setting("client_secret", "SecretStr", "Its secret."),
                    _setting(
                        "token_url",
                        "str",
                        "Address that issues tokens; a path is one at the API.",
                        login.token_url or "/oauth/token",
                    ),
                    _setting(
                        "scope", "str | None", "What a token may do, where the vendor wants it said.", None
                    ),
                ),
                {"CLIENT_ID": "sandbox", "CLIENT_SECRET": secret, "TOKEN_URL": "/oauth/token"},
                ("oauth2",),
                "client_secret",
            )
        case _:
            return Access("no log-in", "NoLogin()", ("NoLogin",), (), {}, ("none",))


def _setting(name: str, annotation: str, description: str, *default: str | None) -> str:
    first = [literal(each) for each in default]
    return call(f"{name}: {annotation} = Field", [*first, f"description={quoted(description)}"], 4)


def _variables(package: Package) -> Iterator[str]:
    prefix = package.name.upper()
    yield f"{prefix}_BASE_URL"
    for name in package.access.sandbox:
        if name != "TOKEN_URL":
            yield f"{prefix}_{name}"


# The files ----------------------------------------------------------------------------------------------------


def _models(package: Package) -> dict[str, Any]:
    models = [_fitting(each) for each in package.models.made]
    text = " ".join(f"{m.base} {' '.join(map(str, [*m.variables, *m.fields]))}" for m in models)
    used = set(re.findall(r"[A-Za-z_]\w*", re.sub(r'"(?:[^"\\]|\\.)*"', " ", text))) | _quoted_names(models)
    used |= {"ConfigDict"} if any(each.by_name for each in models) else set()
    lines = imports(
        {module: [each for each in names if each in used] for module, names in _MODELS_OF.items()}
    )
    if any(_is_mixed(each.name) for model in models for each in model.fields):
        lines = ["# ruff: noqa: N815  (the vendor's spelling)", "", *lines]
    return {"models": models, "imports": lines}


def _quoted_names(models: list[Model]) -> set[str]:
    """Return the names within annotations that are quoted as a whole."""
    return {
        word
        for model in models
        for each in model.fields
        for word in re.findall(r"[A-Za-z_]\w*", each.annotation)
        if word in {name for names in _MODELS_OF.values() for name in names}
        and "Literal" not in each.annotation
    }


def _is_mixed(name: str) -> bool:
    return name[:1].islower() and not name.islower() and "_" not in name


def _fitting(model: Model) -> Model:
    """Return a model whose lines fit: choices that are too long are texts."""

    def fitting(each: Attribute) -> Attribute:
        if len(str(each)) + 4 <= LINE:
            return each
        if re.search(_CHOICES, each.annotation):
            return fitting(Attribute(each.name, re.sub(_CHOICES, "str", each.annotation), each.default))
        if each.default.startswith("spelt("):
            inside = each.default.removeprefix("spelt(").removesuffix(")")
            return Attribute(each.name, each.annotation, f"spelt(\n        {inside}\n    )")
        if each.default.startswith("(") and each.default.endswith(")"):
            parts = re.findall(_TEXT, each.default)
            return Attribute(
                each.name, each.annotation, "(\n" + "".join(f"        {p},\n" for p in parts) + "    )"
            )
        return each

    return Model(
        model.name,
        model.base,
        model.about,
        [*map(fitting, model.variables)],
        [*map(fitting, model.fields)],
        model.by_name,
    )


def _client(package: Package) -> dict[str, Any]:
    names = {each.name for each in package.models.made}
    lines, tag, verbs = [], "", {VERB_NAMES[each.call.verb] for each in package.made}
    if package.service.login.kind == "oauth2":
        lines += [FETCH, ""]
        verbs.add("post")
    for made in package.made:
        if made.call.tag != tag:
            tag = made.call.tag
            lines += [*([""] if lines and lines[-1] else []), f"    # {_heading(tag)}"]
        lines.append(_operation(made, package.of[made.call.name], names))
    text = "\n".join(lines)
    uses_models = "models." in text
    no_input = ["NoInput"] if "NoInput" in text else []
    classes = ["RestClient", *package.access.classes]
    third = imports(
        {
            "hookline.clients.models": no_input,
            "hookline.clients.operation": verbs,
            "hookline.clients.rest": classes,
            "hookline.clients.transport": ["Options"],
            "typing": ["ClassVar", "Self", "Unpack", *(["Any"] if "Any" in text else [])],
            f"vendors.{package.name}": ["models"] if uses_models else [],
            f"vendors.{package.name}.settings": [f"{package.cls}Settings"],
        }
    )
    connect = nested(("return cls", ["account.base_url", package.access.code, "**options"]), 0, 8)
    version = plain_text(package.service.version)
    return {
        "imports": third,
        "lines": lines,
        "connect": connect,
        "reference": f"{package.title} {version}".strip(),
    }


def _heading(tag: str) -> str:
    """Return a tag as a comment that is no code."""
    text = plain_text(tag)
    return text if re.fullmatch(r"[A-Za-z][A-Za-z0-9 ,&/'-]*", text) else "Others"


def _operation(made: Made, proposal: Proposal, names: set[str]) -> str:
    answer = re.sub(
        r"\b[A-Za-z_]\w*\b", lambda word: f"models.{word[0]}" if word[0] in names else word[0], made.answer
    )
    answer = {"Any": "object", "Money": "float", "Flag": "bool", "Moment": "str", "SecretStr": "str"}.get(
        answer, answer
    )
    model = made.input if made.input == "NoInput" else f"models.{made.input}"
    options = [f'repeat="{proposal.repeat}"', 'trust="public"']
    if made.call.media_type not in ("", "application/json", "*/*", "text/json"):
        options.append(f'headers={{"Content-Type": {quoted(made.call.media_type)}}}')
    parts = [quoted(made.call.path), model, answer, quoted(made.call.summary), *options]
    before = f"{made.call.name} = {VERB_NAMES[made.call.verb]}("
    return filled(before, [*(f"{each}," for each in parts[:-1]), f"{parts[-1]})"])


def _tasks(package: Package) -> dict[str, Any]:
    client = f"{package.cls}Client"
    blocks: list[str] = []
    used: set[str] = set()
    if package.service.login.kind == "oauth2":
        blocks.append(call(f"fetch_token = _{package.name}.call", [f"{client}.fetch_token"]))
    reads = [each for each in package.made if _only_reads(package, each)]
    blocks += ["# What only reads" + "".join(f"\n{_task(package, each)}" for each in reads)] if reads else []
    for made in package.made:
        proposal = package.of[made.call.name]
        if made in reads:
            continue
        text = comment(f"{proposal.repeat}: {proposal.reason}.")
        if proposal.readback.startswith("found_by("):
            text += "\n" + _finder(made, proposal)
        blocks.append(f"{text}\n{_task(package, made)}")
        used |= set(
            re.findall(r"\b(?:found_by|changed|gone|idempotency_key)\b(?=\(|,)", text + _task(package, made))
        )
    lines = imports(
        {
            "tasks.operations": ["VendorTasks"],
            "tasks.readback": used,
            f"vendors.{package.name}.block": [f"{package.cls}Credentials"],
            f"vendors.{package.name}.client": [client],
        }
    )
    return {"blocks": blocks, "imports": lines}


def finder_name(made: Made) -> str:
    """Return the name of the read-back of a creation."""
    return f"find_after_{made.call.name}"


def _finder(made: Made, proposal: Proposal) -> str:
    inside = proposal.readback.removeprefix("found_by(").removesuffix(")")
    return call(f"{finder_name(made)} = found_by", inside.split(", "))


def _task(package: Package, made: Made) -> str:
    proposal, name = package.of[made.call.name], made.call.name
    operation = f"{package.cls}Client.{name}"
    if proposal.repeat == "safe":
        return call(f"{name} = _{package.name}.call", [operation])
    if proposal.repeat == "never":
        return call(f"{name} = _{package.name}.blind_write_task", [operation])
    options = [operation]
    options += [f'of="{proposal.of}"'] if proposal.of else []
    if proposal.readback.startswith("found_by("):
        options.append(f"readback={finder_name(made)}")
    elif proposal.readback:
        before, _, inside = proposal.readback.removesuffix(")").partition("(")
        options.append(call(f"readback={before}", inside.split(", "), 5))
    else:
        options.append("harmless=True")
    options += [f'found_by=("{proposal.found_by}",)'] if proposal.found_by else []
    if proposal.key_input:
        options += [f'carrier="{proposal.key_input}"', "add_token=idempotency_key"]
    options += [f'reference="{proposal.reference}"'] if proposal.reference else []
    return call(f"{name} = _{package.name}.write_task", options)


def _simulator(package: Package) -> dict[str, Any]:
    lines, used = [], {"RestSimulator"}
    if package.service.login.kind == "oauth2":
        lines.append('    fetch_token = token("/oauth/token")')
        used.add("token")
    for made in package.made:
        kind, options = _simulated(package, made)
        used.add(kind)
        lines.append(
            filled(f"{made.call.name} = {kind}(", [*(f"{each}," for each in options[:-1]), f"{options[-1]})"])
        )
    names = {"hookline.simulators.rest": used}
    form = package.access.form
    if form != ("none",):
        names["typing"] = {"ClassVar"}
    return {"imports": imports(names), "lines": lines, "login_form": form, "login_form_text": literal(form)}


def _simulated(package: Package, made: Made) -> tuple[str, list[str]]:
    """Return what the simulator does at a call: the word, and its arguments."""
    call_, shape = made.call, package.shapes[made.call.name]
    verb, place = [quoted(call_.verb)], [quoted(call_.path), quoted(shape.table)]
    key = [f"key={quoted(shape.key)}"]
    body = [f"body={quoted(shape.body)}"] if shape.body else []
    answer = [f"answer={literal(shape.answer)}"] if shape.answer != "" else []
    word = _word(package, made)
    match word:
        case "rows":
            options = [*place, *_paged(package, made)]
        case "row":
            options = [*place, *key, *answer]
        case "update":
            options = [*verb, *place, *key, *body, *answer, *_status(call_.status, 200)]
        case "remove":
            options = [*place, *key, *([] if shape.answer is None else [f"answer={literal(shape.answer)}"])]
            options += _status(call_.status, 204)
        case "create":
            options = [*verb, *place, *key, *(["is_number=True"] if shape.is_number else []), *body, *answer]
            header = next(
                (each.name for each in call_.inputs("header") if "idempot" in each.name.lower()), ""
            )
            options += [*_status(call_.status, 201), *([f"repeats_by={quoted(header)}"] if header else [])]
        case _:
            options = [*verb, *place, *answer, *_status(call_.status, 200)]
    return word, options


def _word(package: Package, made: Made) -> str:
    """Return the kind of a call, as the simulator names it."""
    match made.call.verb, made.call.ends_in_key:
        case "GET", True:
            return "row"
        case "GET", False:
            return "rows" if made.paging.has_rows else "act"
        case "PUT" | "PATCH", True:
            return "update"
        case "DELETE", True:
            return "remove"
        case "POST" | "PUT", False if _is_collection(package, made):
            return "create"
    return "act"


def _status(status: int, usual: int) -> list[str]:
    return [] if status == usual else [f"status={status}"]


def _is_collection(package: Package, made: Made) -> bool:
    """Return True if records of this table are listed or read."""
    table = package.shapes[made.call.name].table
    others = (each for each in package.made if each.call.verb == "GET")
    return any(
        package.shapes[each.call.name].table == table and (each.paging.has_rows or each.call.ends_in_key)
        for each in others
    )


def _paged(package: Package, made: Made) -> list[str]:
    paging = made.paging
    options = [f"within={quoted(paging.rows)}"] if paging.rows else []
    fields = {name.lower() for name in package.proposals.fields_of(paging.items)}
    special = {str(value) for name, value in paging.variables.items() if name.endswith("_input")}
    filters = [
        each.name
        for each in made.call.inputs("query")
        if each.name.lower() in fields and each.name not in special
    ]
    options += [f"filters={literal(tuple(filters))}"] if filters else []
    names = {"number_input": "page", "offset_input": "offset", "cursor_input": "cursor", "size_input": "size"}
    options += [
        f"{names[name]}={quoted(str(value))}" for name, value in paging.variables.items() if name in names
    ]
    options += ["first=0"] if paging.variables.get("first_page") == 0 else []
    options += (
        [f"next_in={quoted(str(paging.variables['next_in']))}"] if "next_in" in paging.variables else []
    )
    return options + ([f"total={quoted(paging.total)}"] if paging.total else [])


# The tests and the page ---------------------------------------------------------------------------------------


def _test(package: Package) -> dict[str, Any]:
    sampler = Sampler(package.models.made)
    client = f"{package.cls}Client"
    inputs = {each.call.name: sampler.inputs(each, package.of[each.call.name]) for each in package.made}
    creations = [each for each in package.made if _simulated(package, each)[0] == "create"]
    created, found = [], []
    for each in creations:
        listing = next(
            (one for one in package.made if one.call.verb == "GET" and one.call.path == each.call.path), None
        )
        if listing is not None and listing.paging.has_rows and not _needs_more(listing):
            created.append((Code(f"{client}.{each.call.name}"), Code(f"{client}.{listing.call.name}")))
        if package.of[each.call.name].readback.startswith("found_by("):
            found.append((Code(f"{client}.{each.call.name}"), Code(f"tasks.{finder_name(each)}")))
    secret = package.access.secret_field
    names = {
        "collections.abc": ["AsyncIterator"],
        "contextlib": ["asynccontextmanager"],
        "typing": ["Any"],
        "hookline.clients": [
            "operations",
            *(["NotAuthenticated"] if secret else []),
            *(["pages"] if created else []),
            *(["AnswerLost"] if found else []),
        ],
        "hookline.clients.paging": ["Paged"] if created else [],
        "hookline.simulators.server": ["serving"],
        f"vendors.{package.name}": ["tasks"] if found else [],
        f"vendors.{package.name}.client": [client],
        f"vendors.{package.name}.settings": [f"{package.cls}Settings"],
        f"vendors.{package.name}.simulator": [f"{package.cls}Simulator"],
    }
    plain = ["asyncio", *(["pytest"] if secret or created or found else [])]
    return {
        "imports": imports(names, plain),
        "records": literal(_records(package), 45),
        "inputs": literal(inputs, 40),
        "created": created and literal(created, 40),
        "found": found and literal(found, 40),
    }


def _needs_more(listing: Made) -> bool:
    filled_in = {str(value) for name, value in listing.paging.variables.items() if name.endswith("_input")}
    return any(
        each.required and each.place != "path" and each.name not in filled_in
        for each in listing.call.parameters
    )


def _records(package: Package) -> list[tuple[str, dict[str, Any]]]:
    """Return a record for each table whose records are read, changed or deleted by their key."""
    records: dict[str, dict[str, Any]] = {}
    for made in package.made:
        if _simulated(package, made)[0] in ("row", "update", "remove"):
            shape = package.shapes[made.call.name]
            parents = dict.fromkeys(made.call.keys[:-1], "1")
            key: Any = 1 if shape.is_number else "1"
            records.setdefault(shape.table, {}).update(parents | {shape.key: key})
    return list(records.items())


class Sampler:
    """Samples of inputs: the least that a model needs."""

    def __init__(self, models: list[Model]) -> None:
        self.models = {each.name: each for each in models}

    def inputs(self, made: Made, proposal: Proposal) -> dict[str, Any]:
        """Return the inputs that a call needs, and those by which it is found again."""
        if made.input == "NoInput":
            return {}
        inputs = self._fields(self.models[made.input], 0)
        inputs |= dict.fromkeys(made.call.keys, "1")
        inputs |= {
            made.fields[each.name]: 1
            for each in made.call.inputs("path")
            if _annotation(self.models[made.input], each.name) == "int"
        }
        if proposal.found_by:
            self._put(inputs, proposal.found_by.split("."), self.models[made.input])
        return inputs

    def _fields(self, model: Model, depth: int) -> dict[str, Any]:
        return {
            each.name: self._value(each.annotation, depth + 1) for each in model.fields if each.is_required
        }

    def _put(self, inputs: dict[str, Any], place: list[str], model: Model) -> None:
        first, *rest = place
        if not rest:
            inputs.setdefault(first, "text")
            return
        inner = next((each.annotation for each in model.fields if each.name == first), "")
        name = re.sub(r'list\[(.*)\]|"| \| None', r"\1", inner).strip('"')
        record = self._fields(self.models[name], 1) if name in self.models else {}
        made = inputs.setdefault(first, [record] if "list[" in inner else record)
        self._put(made[0] if isinstance(made, list) else made, rest, self.models.get(name, model))

    def _value(self, annotation: str, depth: int) -> Any:
        annotation = annotation.strip('"').removesuffix(" | None").strip('"')
        if annotation.startswith("list[") or annotation == "Joined":
            inner = annotation[5:-1] if annotation != "Joined" else "str"
            return [self._value(inner, depth)] if depth < 6 else []  # noqa: PLR2004
        if annotation.startswith("dict["):
            return {}
        if annotation.startswith("Literal["):
            found = re.search(_TEXT, annotation)
            return Code(found[0]) if found else "text"
        if annotation in self.models:
            return self._fields(self.models[annotation], depth) if depth < 12 else {}  # noqa: PLR2004
        samples = {
            "int": 1,
            "Amount": 1,
            "bool": True,
            "datetime": "2026-01-31T12:00:00Z",
            "date": "2026-01-31",
        }
        return samples.get(annotation, "text")


def _annotation(model: Model, name: str) -> str:
    return next((each.annotation for each in model.fields if each.name == name), "")


def _readme(package: Package) -> dict[str, Any]:
    def cell(text: str) -> str:
        return plain_text(text).replace("|", "/")

    table = [
        {
            "name": made.call.name,
            "verb": made.call.verb,
            "path": made.call.path,
            "repeat": package.of[made.call.name].repeat,
            "reason": cell(package.of[made.call.name].reason),
        }
        for made in package.made
    ]
    login = package.service.login.note
    paging = [f"`{made.call.name}`: {made.paging.note}" for made in package.made if made.paging.note]
    return {
        "table": table,
        "notes": [*map(cell, package.service.notes), *([login] if login else [])],
        "paging": paging,
        "left_out": [(cell(which), cell(why)) for which, why in package.service.left_out],
        "variables": list(_variables(package)),
    }
