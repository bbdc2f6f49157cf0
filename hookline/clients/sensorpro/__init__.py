"""Sensorpro: its operations, log-in and errors in `client`, what goes in and out in the others."""

from hookline.clients.sensorpro.client import SensorproClient, SensorproUser

__all__ = ["SensorproClient", "SensorproUser"]
