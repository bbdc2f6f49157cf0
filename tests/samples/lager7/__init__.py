"""Lager 7, a warehouse that nobody's core knows: a vendor in one folder, for tests."""
