"""
Bring the database to the schema of this version, as soon as the server answers.

    python -m hookline.database
"""

import sys

from hookline import log
from hookline.database.migrate import upgrade_when_up
from hookline.errors import HooklineError
from hookline.settings import settings

current = settings()
log.configure(current.log_format)
try:
    upgrade_when_up(current)
except HooklineError as error:
    sys.exit(str(error))
