"""The engine: turns deliveries into flow runs and runs them here, in a warm process."""
