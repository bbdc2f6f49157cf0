"""The stand-in for Sensorpro; `simulator` puts it together."""

from hookline.simulators.sensorpro.simulator import SensorproSimulator

__all__ = ["SensorproSimulator"]
