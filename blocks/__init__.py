"""The Prefect blocks: credentials of the vendors, each in the module of its vendor."""

from collections.abc import Mapping
from typing import Final

from blocks.base import VendorCredentials
from hookline.vendors import Parts

BLOCKS: Final[Mapping[str, type[VendorCredentials]]] = Parts("block")
"""The block of each vendor."""

__all__ = ["BLOCKS", "VendorCredentials"]
