"""Provisioning: makes the Prefect server and Jiwa match the files and the environment."""
