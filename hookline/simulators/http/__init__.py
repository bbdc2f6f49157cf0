"""A stand-in for an HTTP API that Hookline has no client for."""

from hookline.simulators.http.simulator import HttpSimulator

__all__ = ["HttpSimulator"]
