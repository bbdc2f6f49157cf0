"""
Write the package of a vendor from its OpenAPI text, or from an example.

`document` reads the text, `spec` what can be called, `proposals` decides what a repeat would do, `models` makes the
models, and `package` writes the files.
"""

from hookline.new_vendor.package import Written, write_vendor

__all__ = ["Written", "write_vendor"]
