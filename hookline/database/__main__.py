"""`python -m hookline.database` brings the database to the schema of this version."""

from hookline.database.migrate import upgrade
from hookline.settings import settings

upgrade(settings())
