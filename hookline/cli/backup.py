"""`hookline backup`: both databases and the keys of HOOKLINE_HOME in one file."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hookline import runtime
from hookline.backup import write
from hookline.cli.output import AsJson, console, print_json, steps


def backup(
    file: Annotated[Path, Parameter(help="The file to write, such as hookline.backup.")],
    *,
    replace: Annotated[bool, Parameter(negative="", help="Replace a file of that name.")] = False,
    as_json: AsJson = False,
) -> None:
    """
    Write both databases and the keys of HOOKLINE_HOME into one file, while everything runs.

    Each database is as it was at one moment. The file is checked before it gets its name, and only you may read it.
    It holds the vendors' log-ins with the key that decrypts them, the log-ins of this machine, and all that customers
    sent: keep it as you keep a password. What is not in it: your project with its .env.

    Try:
        hookline backup /mnt/backups/hookline-2026-11-29.backup
    """
    settings = runtime.bootstrap()
    with steps() as progress:
        manifest = write.make(settings, file.absolute(), progress, replace=replace)
    size = file.stat().st_size
    if as_json:
        print_json(
            {
                "file": str(file.absolute()),
                "bytes": size,
                "created_at": manifest.created_at,
                "schema": manifest.schema,
                "prefect_schema": manifest.prefect_schema,
                "keys": manifest.secrets,
                "keys_not_in_it": manifest.environment,
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
    if manifest.prefect_schema is None:
        console().print("Prefect's database is not in it: it is not Hookline's own. Back it up apart.")
    if manifest.environment:
        console().print(f"Set by the environment, and not in it: {', '.join(manifest.environment)}.")
