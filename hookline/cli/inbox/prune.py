"""`hookline inbox prune`: delete what is past its retention."""

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from hookline import runtime
from hookline.cli.inbox.filters import hooks_now, on_database
from hookline.cli.output import AsJson, show
from hookline.inbox import retention


def prune(
    *,
    dry_run: Annotated[
        bool, Parameter(negative="", help="Show what would be deleted; delete nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """
    Delete the deliveries and bodies whose time is over, as an engine does once an hour.

    Only what is done, replaced, discarded, unrouted or split is deleted: what waits for a person stays, however old.

    Try:
        hookline inbox prune --dry-run
        hookline inbox prune
    """
    settings = runtime.bootstrap()
    hooks = hooks_now()

    delete = retention.prunable if dry_run else retention.prune
    rows = [asdict(each) for each in on_database(lambda database: delete(database, settings, hooks))]
    columns = ["source", "keep_days", "deliveries", "keep_bodies_days", "bodies"]
    show(rows, columns, as_json=as_json, title="Would be deleted" if dry_run else "Deleted")
