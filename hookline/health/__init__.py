"""
The health of an installation: the checks of `hookline doctor`, and what `/readyz`, `/metrics` and the pages say.

A check returns findings; `hookline doctor` runs the checks and shows what they found. Checks that ask Prefect or a
vendor are in `hookline.provisioning.checks`, for they need Prefect's library.
"""
