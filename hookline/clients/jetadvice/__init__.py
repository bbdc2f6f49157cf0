"""JetAdvice: its operations, log-in and errors in `client`, what goes in and out in the others."""

from hookline.clients.jetadvice.client import JetadviceClient, JetadviceUser

__all__ = ["JetadviceClient", "JetadviceUser"]
