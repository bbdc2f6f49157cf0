"""
Stand-ins for the five vendors on real sockets, with faults on demand.

They are part of the product: the demo, the tests and the benchmarks run against them. They know nothing of the
clients' code, so a slip in it shows; but both were written from the same table of facts, so what was understood
wrongly there is wrong in both. Where it holds several ways to answer, a simulator speaks any of them.
"""

from hookline.simulators.control import Simulator
from hookline.simulators.faults import Fault, Faults, InvalidControlError
from hookline.simulators.jetadvice import JetadviceSimulator
from hookline.simulators.jifeline import JifelineSimulator
from hookline.simulators.jiwa import JiwaSimulator
from hookline.simulators.sensorpro import SensorproSimulator
from hookline.simulators.server import Sandbox, running, serve
from hookline.simulators.zentitle import ZentitleSimulator

__all__ = [
    "Fault",
    "Faults",
    "InvalidControlError",
    "JetadviceSimulator",
    "JifelineSimulator",
    "JiwaSimulator",
    "Sandbox",
    "SensorproSimulator",
    "Simulator",
    "ZentitleSimulator",
    "running",
    "serve",
]
