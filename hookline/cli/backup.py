"""`hookline backup`: both databases, the keys of HOOKLINE_HOME and the firm's own files in one file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hookline import runtime
from hookline.backup import write
from hookline.backup.archive import Manifest
from hookline.cli.output import AsJson, console, print_json, show, steps


def backup(
    file: Annotated[Path, Parameter(help="The file to write, such as hookline.backup.")],
    *,
    replace: Annotated[bool, Parameter(negative="", help="Replace a file of that name.")] = False,
    as_json: AsJson = False,
) -> None:
    """
    Write both databases, the keys of HOOKLINE_HOME and your own files into one file, while everything runs.

    Your own files are those of the project, with its .env; without a project, .env, deployments/ and flows/. Each
    database is as it was at one moment. The file is checked before it gets its name, and only you may read it. It
    holds the vendors' log-ins with the key that decrypts them, the log-ins of this machine, and all that customers
    sent: keep it as you keep a password. It says what is in it, and what is not and is needed as well.

    Try:
        hookline backup /mnt/backups/hookline-2026-11-29.backup
    """
    settings = runtime.bootstrap()
    with steps() as progress:
        manifest = write.make(settings, file.absolute(), progress, replace=replace)
    size, missing = file.stat().st_size, list(_needed_as_well(manifest))
    if as_json:
        print_json(
            {
                "file": str(file.absolute()),
                "bytes": size,
                "created_at": manifest.created_at,
                "version": manifest.version,
                "commit": manifest.commit,
                "schema": manifest.schema,
                "prefect_schema": manifest.prefect_schema,
                "keys": manifest.secrets,
                "keys_not_in_it": manifest.environment,
                "folder": manifest.folder,
                "files": manifest.files,
                "not_in_it": missing,
                "parts": {
                    name: {"bytes": part.bytes, "sha256": part.sha256}
                    for name, part in manifest.parts.items()
                },
            }
        )
        return
    console().print(
        f"{file}: {size / 1e6:,.1f} MB, checked. It holds keys and customers' data: keep it safe."
    )
    show(_contents(manifest), ["in it", "of", "which"], as_json=False)
    console().print("Not in it, and needed as well:")
    for each in missing:
        console().print(f"  {each}", soft_wrap=True)


def _contents(manifest: Manifest) -> Iterator[dict[str, str]]:
    """Yield what is in a backup, a row each."""
    rows = [("inbox and journal", "the database", f"schema {manifest.schema}")]
    if manifest.prefect_schema is not None:
        rows.append(("Prefect's database", "the database", f"Prefect {manifest.prefect_version}"))
    rows.append(("keys", f"{manifest.home}/secrets", ", ".join(manifest.secrets) or "none"))
    env = "with .env" if ".env" in manifest.files else "without .env, which is not there"
    rows.append(("your files", manifest.folder, f"{len(manifest.files)} files, {env}"))
    return (dict(zip(("in it", "of", "which"), row, strict=True)) for row in rows)


def _needed_as_well(manifest: Manifest) -> Iterator[str]:
    """Yield what is not in a backup, and without which it does not bring everything back."""
    yield f"the code: {manifest.made_by}"
    if manifest.prefect_schema is None:
        yield "Prefect's database, which is not Hookline's own: back it up apart"
    if manifest.environment:
        yield f"set by the environment, in no file: {', '.join(manifest.environment)}"
    yield from manifest.left_out
