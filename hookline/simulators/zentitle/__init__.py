"""The stand-in for Zentitle; `simulator` puts it together."""

from hookline.simulators.zentitle.simulator import ZentitleSimulator

__all__ = ["ZentitleSimulator"]
