"""Zentitle: its operations, log-in and errors in `client`, what goes in and out in the others."""

from hookline.clients.zentitle.client import ZentitleClient, ZentitleKey
from hookline.clients.zentitle.sentences import Sentences

__all__ = ["Sentences", "ZentitleClient", "ZentitleKey"]
