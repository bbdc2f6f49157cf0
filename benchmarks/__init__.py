"""The benchmarks: each module is a command that measures, and writes its part of docs/benchmarks.md."""
