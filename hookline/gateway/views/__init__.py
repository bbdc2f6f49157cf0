"""The inbox page: the deliveries, what happened to them, and the decisions that only a person can make."""

from hookline.gateway.views.routes import add_to

__all__ = ["add_to"]
