"""Credentials of the vendors as Prefect blocks; Prefect finds them through its `prefect.collections` entry point."""

from blocks.base import VendorCredentials
from blocks.jiwa import JiwaCredentials
from blocks.sensorpro import SensorproCredentials
from blocks.zentitle import ZentitleCredentials

BLOCKS: dict[str, type[VendorCredentials]] = {
    "jiwa": JiwaCredentials,
    "zentitle": ZentitleCredentials,
    "sensorpro": SensorproCredentials,
}

__all__ = ["BLOCKS", "JiwaCredentials", "SensorproCredentials", "VendorCredentials", "ZentitleCredentials"]
