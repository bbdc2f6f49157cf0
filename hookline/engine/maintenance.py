"""Maintenance: an engine prunes the inbox, so that it does not grow for ever, and notes how large it is."""

import logging
from datetime import timedelta

import asyncpg

from hookline.database import sizes
from hookline.hooks import Hooks
from hookline.inbox import polls
from hookline.inbox.retention import prune
from hookline.issues import store as issues
from hookline.settings import Settings
from hookline.waits import store as waits

logger = logging.getLogger(__name__)

PRUNE_SECONDS = 3600.0


async def prune_old(database: asyncpg.Pool, settings: Settings, hooks: Hooks) -> None:
    """Prune what `hookline inbox prune` would, and issues that were closed as long ago."""
    await issues.prune(database, timedelta(days=settings.keep_days))
    await waits.prune(database, timedelta(days=settings.keep_days))
    for pruned in await prune(database, settings, hooks):
        if pruned.deliveries or pruned.bodies:
            logger.info(
                "pruned of %s: %d deliveries older than %d days, %d bodies older than %d days",
                pruned.source,
                pruned.deliveries,
                pruned.keep_days,
                pruned.bodies,
                pruned.keep_bodies_days,
            )
    polled = [name for name, source in hooks.sources.items() if source.poll and hooks.why_off(name) is None]
    await polls.prune(database, polled)
    await sizes.note(database, settings)
