"""What `hookline doctor`, `/readyz`, `/metrics` and the inbox page say of how things are."""
