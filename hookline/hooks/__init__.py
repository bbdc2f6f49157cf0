"""`hooks.yaml`: which senders are believed, and what their deliveries start. Data, not code."""

from hookline.hooks.config import Hooks, Route, hooks_in_force, load_hooks
from hookline.hooks.sources import Source
from hookline.hooks.templates import TemplateError

__all__ = ["Hooks", "Route", "Source", "TemplateError", "hooks_in_force", "load_hooks"]
