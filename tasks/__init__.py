"""Prefect tasks, one module a vendor: each makes one vendor call, or one write through the journal."""

from hookline.prefect_adapter import storable

storable.install()  # in engines and in Prefect's worker alike: whatever runs a task imports this
