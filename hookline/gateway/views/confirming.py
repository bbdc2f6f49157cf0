"""The page that asks before a decision is final: whom it concerns, and what follows from it."""

from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response

from hookline.gateway.views.addresses import local
from hookline.gateway.views.base import AdminViews
from hookline.gateway.views.copying import exact

CONFIRMED = "is confirmed"
"""The field by which the page that asks is known; no form of a flow has a name with a space."""


def is_confirmed(form: Mapping[str, str]) -> bool:
    """Return True if the form comes from the page that asks."""
    return form.get(CONFIRMED) == "yes"


async def ask(
    views: AdminViews,
    request: Request,
    form: Mapping[str, str],
    *,
    title: str,
    facts: Mapping[str, str],
    follows: Sequence[str],
    button: str,
    back: str = "",
) -> Response:
    """
    Ask before what the form says is done; to confirm it sends the same form again.

    Args:
        views: the pages.
        request: what a person is about to do.
        form: its fields.
        title: the question.
        facts: whom and what it concerns, by what each is.
        follows: what it leads to, a sentence each.
        button: what the button says that confirms it.
        back: the page to go back to; that of the form, if it names one.
    """
    return await views.render(
        request,
        "confirm.html",
        title=title,
        facts=facts,
        follows=follows,
        button=button,
        action=request.url.path,
        fields={name: exact(value) for name, value in form.items()} | {CONFIRMED: "yes"},
        back=local(form.get("back") or back),
    )
