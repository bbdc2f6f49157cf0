"""
The journal switched off: every write is sent, whatever was sent before.

Python imports this at its start where the folder is on its path; only the test that wants to see doubles puts it there.
"""

import logging

from hookline.journal import Journal


async def send_always(_journal, effect, send, *_how, **_else):
    logging.getLogger(__name__).critical("THE JOURNAL IS OFF: %s is sent, whatever was sent before", effect)
    return await send()


Journal.run = send_always
