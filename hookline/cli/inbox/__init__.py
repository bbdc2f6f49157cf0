"""`hookline inbox`: what was received and what happened to it; one module for each command."""

import sys

from cyclopts import App

from hookline.cli.inbox import commands, export, listing, pausing, show, stats, tail

app = App(name="inbox", help="The inbox: what was received and what happened to it.")

app.command(listing.list_, name="list")
app.command(show.show_delivery, name="show")
for command in (
    commands.replay,
    commands.discard,
    pausing.pause,
    pausing.resume,
    stats.stats,
    export.export,
    tail.tail,
):
    app.command(command)
# Loaded when it is called, for it reads `hooks.yaml`; the list of commands cannot read its help.
_lists_commands = sys.argv[2:3] in ([], ["--help"], ["-h"])
app.command(
    "hookline.cli.inbox.prune:prune",
    name="prune",
    help="Delete the deliveries and bodies whose time is over." if _lists_commands else None,
)
