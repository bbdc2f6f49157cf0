"""The stand-in for Jifeline; `simulator` puts it together."""

from hookline.simulators.jifeline.simulator import JifelineSimulator

__all__ = ["JifelineSimulator"]
