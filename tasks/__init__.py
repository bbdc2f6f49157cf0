"""Prefect tasks, one module a vendor: each makes one vendor call, or one look-then-write through the journal."""
