"""The throwaway stack that demo, benchmarks and tests share: every process of `hookline up`, on free ports."""
