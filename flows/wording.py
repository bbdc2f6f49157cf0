"""The wording of a step that writes a text: what is done already needs none."""

from typing import overload

from flows.texts import render
from hookline.errors import ConfigurationError
from hookline.texts import Mail, Note
from tasks.effects import BusinessKey, outcome_of


@overload
async def worded(step: BusinessKey, text: Mail, language: str | None = None) -> dict[str, str]: ...
@overload
async def worded(step: BusinessKey, text: Note, language: str | None = None) -> str: ...
async def worded(step: BusinessKey, text: Mail | Note, language: str | None = None) -> str | dict[str, str]:
    """
    Return the text that a step writes; a file that is wrong by now stops no step that is done.

    Args:
        step: known by what it is, and not by its wording.
        text: with its values.
        language: that of the customer; None: the firm's.

    Raises:
        ConfigurationError: the text cannot be rendered, and the step is not done.
    """
    try:
        return await render(text, language)
    except ConfigurationError:
        if await outcome_of(step) is None:
            raise
        return {} if isinstance(text, Mail) else text.name  # which goes nowhere
