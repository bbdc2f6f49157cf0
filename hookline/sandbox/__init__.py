"""The sandbox: a throwaway stack for demo, benchmarks and tests, with every process of `hookline up` on free ports."""
