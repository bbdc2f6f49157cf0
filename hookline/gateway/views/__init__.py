"""The inbox page: what was received, what became of it, and the decisions that only a person can make."""

from hookline.gateway.views.routes import add_to

__all__ = ["add_to"]
