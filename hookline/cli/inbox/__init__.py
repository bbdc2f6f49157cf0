"""`hookline inbox`: what was received and what happened to it; one module for each command, loaded when called."""

import sys

from cyclopts import App

app = App(name="inbox", help="The inbox: what was received and what happened to it.")

COMMANDS = {
    "list": "listing:list_",
    "show": "show:show_delivery",
    "replay": "commands:replay",
    "discard": "commands:discard",
    "pause": "pausing:pause",
    "resume": "pausing:resume",
    "stats": "stats:stats",
    "export": "export:export",
    "tail": "tail:tail",
    "prune": "prune:prune",
}

# The list of commands tells what each is for, by its own words: for it, all are loaded.
_lists_commands = not COMMANDS.keys() & set(sys.argv)

for _name, _command in COMMANDS.items():
    app.command(f"{__name__}.{_command}", name=_name)
    if _lists_commands:
        _ = app[_name]
