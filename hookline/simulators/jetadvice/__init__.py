"""The stand-in for JetAdvice; `simulator` puts it together."""

from hookline.simulators.jetadvice.simulator import JetadviceSimulator

__all__ = ["JetadviceSimulator"]
