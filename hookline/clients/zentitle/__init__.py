"""Zentitle: its operations, log-in and errors in `client`, what goes in and out in the others."""

from hookline.clients.zentitle.client import ZentitleClient, ZentitleKey

__all__ = ["ZentitleClient", "ZentitleKey"]
