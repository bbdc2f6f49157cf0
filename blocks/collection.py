"""Every block, for Prefect, which imports this module by its `prefect.collections` entry point to know their types."""

from blocks import BLOCKS
from blocks.http import HttpConnection

EVERY = (*BLOCKS.values(), HttpConnection)
