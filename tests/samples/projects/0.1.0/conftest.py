"""Let the tests find flows and vendors of this project as Hookline does."""

from pathlib import Path

from hookline.project import put_in_force

put_in_force(Path(__file__).parent)
