"""Jiwa: its operations, log-in and errors in `client`, what goes in and out in the others."""

from hookline.clients.jiwa.client import JiwaClient, JiwaDraft, JiwaKey, JiwaUser

__all__ = ["JiwaClient", "JiwaDraft", "JiwaKey", "JiwaUser"]
