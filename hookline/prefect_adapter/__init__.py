"""What assumes something of Prefect's inside, in one place; `tests/unit/test_prefect_adapter.py` names it."""
