"""The inbox: what was received, and what became of it. Everything here is on disk before anyone is told."""
