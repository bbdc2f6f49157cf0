"""
Stand-ins for the vendors on real sockets, with faults on demand.

They are part of the product: the demo, the tests and the benchmarks run against them. They know nothing of the
clients' code, so a slip in it shows; but both were written from the same table of facts, so what was understood
wrongly there is wrong in both. Where it holds several ways to answer, a simulator speaks any of them.
"""

from hookline.simulators.control import Simulator
from hookline.simulators.faults import Fault, Faults, InvalidControlError
from hookline.simulators.server import SIMULATORS, Sandbox, running, serve

__all__ = [
    "SIMULATORS",
    "Fault",
    "Faults",
    "InvalidControlError",
    "Sandbox",
    "Simulator",
    "running",
    "serve",
]
