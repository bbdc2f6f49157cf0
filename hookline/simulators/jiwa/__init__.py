"""The stand-in for Jiwa; `simulator` puts it together."""

from hookline.simulators.jiwa.simulator import JiwaSimulator

__all__ = ["JiwaSimulator"]
