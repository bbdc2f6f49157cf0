"""What assumes Prefect's inside, in one place; tests/unit/test_prefect_adapter.py names each assumption."""
