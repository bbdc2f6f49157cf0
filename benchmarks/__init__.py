"""How quick Hookline is, measured here and now; each module is a command that writes its part of docs/benchmarks.md."""
