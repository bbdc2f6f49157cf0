"""Jifeline: its operations, log-in and errors in `client`, what goes in and out in the others."""

from hookline.clients.jifeline.client import JifelineApp, JifelineClient

__all__ = ["JifelineApp", "JifelineClient"]
