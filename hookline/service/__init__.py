"""
Hookline as a service of systemd: the units, and what installs and removes them.

| module | what it has |
| --- | --- |
| `units` | the text of each unit, as a function of where things are |
| `install` | the steps that make them real, and those that take them away |
| `state` | how they are: what systemd says of each |
"""

from hookline.service.install import Refused, install_steps, uninstall_steps
from hookline.service.state import read_states
from hookline.service.units import PARTS, Place, units

__all__ = ["PARTS", "Place", "Refused", "install_steps", "read_states", "uninstall_steps", "units"]
