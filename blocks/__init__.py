"""The Prefect blocks: credentials of the vendors. Prefect finds them through its `prefect.collections` entry point."""

from blocks.base import VendorCredentials
from blocks.jetadvice import JetadviceCredentials
from blocks.jifeline import JifelineCredentials
from blocks.jiwa import JiwaCredentials
from blocks.sensorpro import SensorproCredentials
from blocks.zentitle import ZentitleCredentials

BLOCKS: dict[str, type[VendorCredentials]] = {
    block.vendor: block
    for block in (
        JiwaCredentials,
        ZentitleCredentials,
        SensorproCredentials,
        JetadviceCredentials,
        JifelineCredentials,
    )
}

__all__ = [
    "BLOCKS",
    "JetadviceCredentials",
    "JifelineCredentials",
    "JiwaCredentials",
    "SensorproCredentials",
    "VendorCredentials",
    "ZentitleCredentials",
]
