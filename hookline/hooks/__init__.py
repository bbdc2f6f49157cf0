"""
`hooks.yaml` as data: sources (how a sender authenticates, what is accepted) and routes (what a delivery starts).

| module | holds |
| --- | --- |
| `config` | reading the file; the parts in force although some are wrong |
| `sources` | one source; its scheme is a class of `hookline.schemes` |
| `presets` | fields of well-known senders |
| `templates` | sandboxed Jinja2 of conditions, parameters and keys |
| `bodies`, `schemas`, `redaction`, `limits` | parsing, validating, redacting and bounding a body |
| `matching` | the routes of a delivery, with their parameters; in a confined process |

Nothing here may ask the network or the database. A new field of a source goes into `sources.Source`, a new sender
into `presets.PRESETS`, each with its row in docs/hooks.md.
"""

from hookline.hooks.config import Hooks, Route, hooks_in_force, load_hooks
from hookline.hooks.sources import Source
from hookline.hooks.templates import TemplateError

__all__ = ["Hooks", "Route", "Source", "TemplateError", "hooks_in_force", "load_hooks"]
