"""`hookline new vendor`: write the package of a vendor into the project."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hookline import runtime
from hookline.cli.output import AsJson, console, print_json, show
from hookline.errors import ConfigurationError
from hookline.new_vendor import Written, write_vendor


def vendor(
    name: Annotated[str, Parameter(help="The vendor's name: small letters and digits.")],
    *,
    openapi: Annotated[
        str | None, Parameter(help="The file with its OpenAPI 3 or Swagger 2 text; unless given, an example.")
    ] = None,
    operations: Annotated[
        str | None, Parameter(help="The operations to write, with commas between; unless given, all.")
    ] = None,
    base_url: Annotated[
        str | None, Parameter(help="The address of its API, in place of the specification's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """
    Write a vendor into the project: settings, models, client, block, tasks, simulator, tests and a page.

    What a repeat of each write would do is proposed, with the reason. What is there is never written over.

    Try:
        hookline new vendor acme --openapi acme.yaml
        hookline new vendor acme --openapi acme.yaml --operations create_invoice,list_invoices,get_invoice
        hookline new vendor acme
    """
    settings = runtime.bootstrap()
    if settings.project is None:
        raise ConfigurationError(
            "A vendor is written into a project, and there is none here. Make one first: hookline init FOLDER; then "
            "stand in it, or use --project."
        )
    written = write_vendor(
        settings.project,
        name,
        spec=_file(openapi),
        operations=tuple(
            dict.fromkeys(each.strip() for each in (operations or "").split(",") if each.strip())
        ),
        base_url=base_url or "",
    )
    _show(written, is_example=openapi is None, as_json=as_json)


def _file(openapi: str | None) -> Path | None:
    if openapi is not None and openapi.startswith(("http://", "https://")):
        raise ConfigurationError(f"{openapi} is not fetched. Download it, look at it, and name the file.")
    return Path(openapi) if openapi else None


def _show(written: Written, *, is_example: bool, as_json: bool) -> None:
    rows = [
        {"operation": each, "repeat": repeat, "reason": reason} for each, repeat, reason in written.operations
    ]
    if as_json:
        print_json(
            {
                "vendor": written.name,
                "folder": str(written.folder),
                "files": list(written.files),
                "operations": rows,
                "variables": list(written.variables),
                "left_out": [{"what": what, "reason": reason} for what, reason in written.left_out],
                "notes": list(written.notes),
            }
        )
        return
    show(rows, ("operation", "repeat", "reason"), as_json=False, title=f"{written.folder} has:")
    lines = [f"Left out: {what}: {reason}." for what, reason in written.left_out]
    lines += written.notes
    if is_example:
        lines.append(
            "It is an invoice service, as an example: change the files. Or describe your service in a copy of its "
            "openapi.yaml, delete this folder, and write it again with --openapi."
        )
    lines += [
        f"Set in .env: {', '.join(written.variables)}.",
        f"Then: python -m pytest {written.folder}, hookline doctor, hookline apply.",
        f"The rest is in {written.folder / 'README.md'}.",
    ]
    console().print("\n".join(lines), markup=False)
