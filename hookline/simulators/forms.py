"""The forms in which a bad answer comes: each made of the answer that the vendor would have given."""

import json
from collections.abc import Callable
from typing import Any, Final, Literal, get_args

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

Form = Literal["cut", "html", "redirect", "sentence", "new_field", "missing_field", "changed_type"]
"""
What comes in the place of an answer.

`cut` is half of it, followed by what is no text; `html` a page of something between, with status 200; `redirect` the
way to a log-in page; `sentence` words that nobody documents; `new_field`, `missing_field` and `changed_type` the answer
with a field more, less or of another type. Of a text, these make nothing or an object.
"""

FORMS: Final = get_args(Form)
OF_FIELDS: Final = ("new_field", "missing_field", "changed_type")
"""The forms that change fields."""

LOGIN_PAGE: Final = "/_sandbox/login"
"""Where `redirect` leads: a page with status 200."""
NEW_FIELD: Final = "addedByTheVendor"
SENTENCE: Final = "Your request has been passed on."

_PAGE: Final = "<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"

Change = Callable[[dict[str, Any], str], None]


def misshapen(response: Response, form: Form, field: str = "") -> Response:
    """
    Return an answer in a bad form.

    Args:
        response: the answer that the vendor would give.
        form: which form.
        field: for the forms of fields, which one: names in any case, with dots between, through any lists. "": each of
            the answer.
    """
    match form:
        case "cut":
            whole = bytes(response.body)
            return Response(
                whole[: len(whole) // 2] + b"\xff", response.status_code, media_type=response.media_type
            )
        case "html":
            return HTMLResponse(page("The service is being maintained"))
        case "redirect":
            return RedirectResponse(LOGIN_PAGE, 302)
        case "sentence":
            return JSONResponse(SENTENCE, response.status_code)
    try:
        value = json.loads(bytes(response.body))
    except ValueError:  # an empty answer has no fields
        return response
    if isinstance(value, dict | list):
        _through(value, field.split(".") if field else [], _CHANGES[form])
    else:
        value = None if form == "missing_field" else {"value": value}
    return JSONResponse(value, response.status_code)


def page(title: str) -> str:
    """Return a page of HTML."""
    return _PAGE.format(title=title)


def _through(value: Any, names: list[str], change: Change) -> None:
    """Change the field of this name, in each object on the way to it."""
    if isinstance(value, list):
        for each in value:
            _through(each, names, change)
    elif isinstance(value, dict):
        own = [name for name in value if not names or name.lower() == names[0].lower()]
        for name in own:
            if len(names) > 1:
                _through(value[name], names[1:], change)
            else:
                change(value, name)


def _add(record: dict[str, Any], _name: str) -> None:
    record[NEW_FIELD] = {"since": "this morning", "values": [1, None, ""]}


def _remove(record: dict[str, Any], name: str) -> None:
    del record[name]


def _wrap(record: dict[str, Any], name: str) -> None:
    """Make a list of an object, an object of a list, and an object of any other value."""
    value = record[name]
    record[name] = [value] if isinstance(value, dict) else {"value": value}


_CHANGES: Final[dict[str, Change]] = {
    "new_field": _add,
    "missing_field": _remove,
    "changed_type": _wrap,
}
