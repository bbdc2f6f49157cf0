"""Webhooks and schedules start Prefect flows that chain vendor APIs into business processes."""
