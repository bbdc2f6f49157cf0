"""What assumes something of Prefect's inside, in one place; `tests/unit/prefect_adapter` names each assumption."""
