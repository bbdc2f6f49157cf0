"""The pages of the texts: all there are, and one of them as it would go out. They change no file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from hookline.catalog import catalog_in_force
from hookline.errors import ConfigurationError
from hookline.gateway.engine_process import NotAnswered, answer_of
from hookline.gateway.views.base import AdminViews, not_found, read_form
from hookline.text import one_line, typed
from hookline.texts import Template, Texts
from hookline.texts.folder import MAX_BYTES
from hookline.texts.in_force import judged, problems_of, rendered

PROCESS: Final = "hookline.cli.preview_process"
MAX_FORM: Final = 4 * MAX_BYTES
MAX_ABOUT: Final = 100


@dataclass(frozen=True)
class Preview:
    """A text as it would go out."""

    values: Mapping[str, str]
    """Of a mail, each by its name; else the text under its own name."""
    about: str
    remark: str


class NotPreviewed(Exception):
    """A preview that has no result; says why."""


async def show(views: AdminViews, request: Request) -> Response:
    """Show all texts."""
    texts = _texts(views)
    found: dict[str, list[Template]] = {}
    for template in texts.templates():
        found.setdefault(f"{template.text.workflow}/{template.text.name}", []).append(template)
    problems = await problems_of(texts, views.settings.home)
    return await views.page(request, "texts.html", found=found, problems=problems, folder=texts.folder)


async def show_one(views: AdminViews, request: Request) -> Response:
    """Show one text with its examples."""
    template = _template(views, request)
    try:
        source = template.read()
    except ConfigurationError as error:
        return await _page(views, request, template, "", problem=str(error))
    return await _previewed(views, request, template, source)


async def preview(views: AdminViews, request: Request) -> Response:
    """Show what a changed text would give; the file stays as it is."""
    template = _template(views, request)
    fields = await read_form(request, maximum=MAX_FORM)
    source = fields.get("source", "").replace("\r\n", "\n")
    return await _previewed(views, request, template, source, typed(fields.get("about", ""))[:MAX_ABOUT])


async def _previewed(
    views: AdminViews, request: Request, template: Template, source: str, about: str = ""
) -> Response:
    try:
        made = await (_real(template, source, about) if about else _examples(template, source))
    except (NotPreviewed, ConfigurationError) as error:
        return await _page(views, request, template, source, about, problem=str(error))
    return await _page(views, request, template, source, about, made=made)


async def _page(
    views: AdminViews,
    request: Request,
    template: Template,
    source: str,
    about: str = "",
    *,
    made: Preview | None = None,
    problem: str | None = None,
) -> Response:
    text = template.text
    others = [each for each in _texts(views).templates() if each.text is text]
    return await views.page(
        request,
        "text.html",
        file=template,
        others=others,
        values=text.described(),
        source=source,
        about=about,
        made=made,
        problem=problem,
    )


async def _examples(template: Template, source: str) -> Preview:
    result = await rendered(template, await judged(template, source), template.text.example())
    return _preview(template, result, "the examples", "")


async def _real(template: Template, source: str, about: str) -> Preview:
    """Return a preview with real values, made in a process of its own; raises NotPreviewed."""
    text = f"{template.text.workflow}/{template.text.name}"
    question = {"text": text, "language": template.language, "source": source, "about": about}
    try:
        answer: dict[str, Any] = json.loads(await answer_of(PROCESS, json.dumps(question).encode()))
    except NotAnswered as error:
        raise NotPreviewed(f"{error} It can be previewed in a shell, too: hookline render") from None
    except ValueError:
        raise NotPreviewed(
            "The process that reads it ended without a result; the gateway's log says more."
        ) from None
    if message := answer.get("message"):
        raise NotPreviewed(message)
    return _preview(template, answer["result"], answer["about"], answer["remark"])


def _preview(template: Template, result: str | dict[str, str], about: str, remark: str) -> Preview:
    return Preview({template.text.name: result} if isinstance(result, str) else result, about, remark)


def _texts(views: AdminViews) -> Texts:
    current = views.settings
    catalog, _ = catalog_in_force(current.catalog, current.home)
    return Texts.of_settings(current, catalog.language.default)


def _template(views: AdminViews, request: Request) -> Template:
    """Return the template that the address names; raises Refused if there is none."""
    workflow, name = request.path_params["workflow"], request.path_params["name"]
    for template in _texts(views).templates():
        if (template.text.workflow, template.text.name) == (workflow, name):
            return _texts(views).find(f"{workflow}/{name}", _language(request))
    raise not_found("text")


def _language(request: Request) -> str | None:
    return one_line(request.query_params.get("language", ""), 20) or None
