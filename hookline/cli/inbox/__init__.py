"""`hookline inbox`: what was received and what happened to it; one module for each command."""

from cyclopts import App

from hookline.cli.inbox import commands, export, listing, pausing, prune, show, stats, tail

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
    prune.prune,
):
    app.command(command)
