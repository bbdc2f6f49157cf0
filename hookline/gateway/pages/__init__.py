"""The inbox page: what was received, what became of it, and the decisions that only a person can make."""

from hookline.gateway.pages.routes import add_to

__all__ = ["add_to"]
