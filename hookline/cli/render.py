"""`hookline render`: show a text as it would go out, and all texts that there are."""

import asyncio
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from hookline import runtime
from hookline.catalog import load_catalog
from hookline.cli.output import AsJson, console, print_json, show
from hookline.texts import Template, Texts
from hookline.texts.in_force import judged

if TYPE_CHECKING:
    from flows.previews import Case, Preview


def render(
    file: Annotated[
        str | None, Parameter(help="A file of a text, or a text such as order-to-license/mail.")
    ] = None,
    /,
    *,
    about: Annotated[
        str | None,
        Parameter(
            name=("--order", "--about"), help="Id or number of what it is about; without it, examples."
        ),
    ] = None,
    account: Annotated[
        str | None,
        Parameter(
            help="The vendor's account, by the name of its block; else the one that the inbox knows it of, or default."
        ),
    ] = None,
    language: Annotated[
        str | None, Parameter(help="Such as de; unless named, that of the file, else that of the customer.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """
    Show a text as it would go out: with the values of a real order, or with examples.

    It reads the order at its vendor, and its license codes in the journal. Nothing is sent, written or recorded.
    Without a file, it lists all texts.

    What a text is about is an order for order-to-license, activation-reminder and renewal-paid, a credit note for
    credit-to-revoke, a license code for renewal-reminder and offline-activation, a customer's account number for
    license-on-loan, a printer's serial number for supply-alert, and a ticket's id for ticket-to-invoice. What no
    vendor has is an example, and named as one; the mail of trial-nurture has examples only.

    Try:
        hookline render
        hookline render order-to-license/mail --language de
        hookline render deployments/templates/order-to-license/mail.nl.j2 --order 100123
        hookline render order-to-license/mail --order 100123 --account north
    """
    current = runtime.bootstrap()
    texts = Texts.of_settings(current, load_catalog(current.catalog).language.default)
    if file is None:
        show(_rows(texts), ["text", "kind", "languages", "meaning"], as_json=as_json)
        return
    template, case, made = asyncio.run(_preview(texts, file, about, account, language))
    if as_json:
        print_json(
            {
                "file": str(template.path),
                "language": template.language,
                "about": made.about,
                "remark": made.remark,
                "customer_language": case.language if case else None,
                "result": made.result,
            }
        )
        return
    console(stderr=True).print(f"{template.label}, with {made.about}. {made.remark}".strip(), style="dim")
    if isinstance(made.result, str):
        console().print(made.result, soft_wrap=True)
        return
    for name, value in made.result.items():
        console().print(f"{name}:", style="bold")
        console().print(value, soft_wrap=True)


async def _preview(
    texts: Texts, file: str, about: str | None, account: str | None, language: str | None
) -> "tuple[Template, Case | None, Preview]":
    from flows.previews import preview, read_case  # Prefect's settings
    from hookline.database.connection import close_pool

    template = texts.find(file, language)
    try:
        case = None if about is None else await read_case(template.text.workflow, about, account)
        if case is not None and language is None and not file.endswith(".j2") and template.text.to_customer:
            template = texts.find(file, case.language)
        return template, case, await preview(template, await judged(template), case)
    finally:
        await close_pool()


def _rows(texts: Texts) -> list[dict[str, object]]:
    """Return a row for each text."""
    rows: dict[str, dict[str, object]] = {}
    for template in texts.templates():
        text = template.text
        row = rows.setdefault(
            f"{text.workflow}/{text.name}",
            {
                "text": f"{text.workflow}/{text.name}",
                "kind": text.kind,
                "languages": [],
                "meaning": (text.__doc__ or "").strip(),
                "files": [],
                "values": text.described(),
            },
        )
        row["languages"].append(template.language)  # type: ignore[attr-defined]
        row["files"].append(str(template.path))  # type: ignore[attr-defined]
    return list(rows.values())
