"""The gateway: believes a request or not, puts it on disk, answers. It never waits for Prefect or a vendor."""
