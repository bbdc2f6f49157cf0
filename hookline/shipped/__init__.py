"""The vendors that Hookline comes with, each registered by an entry point as a stranger's is."""
