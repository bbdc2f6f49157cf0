"""What the journal has of many businesses, for a comparison with the vendors; each question is bounded by its page."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from hookline.database.types import Connection
from hookline.states import DISPATCHES, Phase

_OPEN = list(DISPATCHES.of(Phase.OPEN))
_NEEDS_A_PERSON = list(DISPATCHES.of(Phase.NEEDS_A_PERSON))


@dataclass(frozen=True)
class Journaled:
    """What the journal and the inbox have of one business."""

    done: Sequence[str] = ()
    """Its steps that are done."""
    codes: Sequence[tuple[str, str]] = ()
    """The vendor's references that steps with the asked beginning brought, each with its account there."""
    in_work: bool = False
    """A delivery of it waits or runs."""
    needs_a_person: str | None = None
    """The state of a delivery of it that a person must see to."""


async def of_keys(
    connection: Connection, workflow: str, keys: Sequence[str], *, step: str, ordering: str
) -> dict[str, Journaled]:
    """
    Return what there is of these business keys.

    Args:
        connection: to the inbox.
        workflow: whose businesses they are.
        keys: a page of them.
        step: the beginning of the steps whose references are the codes.
        ordering: the beginning of the ordering key of their deliveries.
    """
    rows = await connection.fetch(
        """
        SELECT asked.key,
               (SELECT array_agg(e.step) FROM effects e
                WHERE e.workflow = $1 AND e.key = asked.key AND e.state IN ('done', 'doubled')) AS done,
               (SELECT array_agg(ARRAY[code, e.account]) FROM effects e CROSS JOIN unnest(e.reference) AS code
                WHERE e.workflow = $1 AND e.key = asked.key AND e.state IN ('done', 'doubled')
                  AND starts_with(e.step, $3) AND e.expected > 0) AS codes,
               (SELECT array_agg(DISTINCT p.state) FROM dispatches p
                WHERE split_part(p.key, ' ', -1) = asked.key AND starts_with(p.key, $4)) AS states
        FROM unnest($2::text[]) AS asked (key)
        """,
        workflow,
        list(keys),
        step,
        ordering,
    )
    return {row["key"]: _journaled(row) for row in rows}


def _journaled(row: asyncpg.Record) -> Journaled:
    states = row["states"] or []
    needs = [state for state in states if state in _NEEDS_A_PERSON]
    return Journaled(
        done=row["done"] or (),
        codes=[(code, account) for code, account in row["codes"] or ()],
        in_work=any(state in _OPEN for state in states),
        needs_a_person=needs[0] if needs else None,
    )


class ExpectedCodes:
    """The codes that should be at a vendor, in a table that lasts as long as its connection: memory stays bounded."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def make(self) -> None:
        """Make the table, empty."""
        await self.connection.execute(
            """
            CREATE TEMP TABLE IF NOT EXISTS expected_codes (code text, account text, business text NOT NULL,
                                                            PRIMARY KEY (code, account));
            TRUNCATE expected_codes
            """
        )

    async def add(self, business: str, codes: Sequence[tuple[str, str]]) -> None:
        """Add the codes of one business, each with its account at the vendor."""
        await self.connection.execute(
            """
            INSERT INTO expected_codes
            SELECT code, account, $1 FROM unnest($2::text[], $3::text[]) AS it (code, account) ON CONFLICT DO NOTHING
            """,
            business,
            [code for code, _ in codes],
            [account for _, account in codes],
        )

    async def seen(self, account: str, codes: Sequence[str]) -> None:
        """Take away the codes that an account of the vendor has."""
        await self.connection.execute(
            "DELETE FROM expected_codes WHERE code = ANY($1) AND account = $2", list(codes), account
        )

    async def products(self) -> set[tuple[str, str]]:
        """Return the accounts and the products there that the journal gave these codes of."""
        rows = await self.connection.fetch(
            """
            SELECT DISTINCT c.account, e.request ->> 'productid' AS product FROM expected_codes c
            JOIN effects e ON e.reference @> ARRAY[c.code] AND e.account = c.account WHERE e.request ? 'productid'
            """
        )
        return {(row["account"], row["product"]) for row in rows}

    async def left(self, most: int) -> tuple[int, list[tuple[str, str]]]:
        """Return how many codes the vendor does not have, and the first of them with their businesses."""
        number: int = await self.connection.fetchval("SELECT count(*) FROM expected_codes")
        rows = await self.connection.fetch(
            "SELECT business, code FROM expected_codes ORDER BY business, code LIMIT $1", most
        )
        return number, [(row["business"], row["code"]) for row in rows]

    async def unknown(self, account: str, codes: Sequence[str]) -> list[str]:
        """Return those of these codes of an account that no effect of the journal brought."""
        rows = await self.connection.fetch(
            """
            SELECT asked.code FROM unnest($1::text[]) AS asked (code)
            WHERE NOT EXISTS (SELECT FROM effects e WHERE e.reference @> ARRAY[asked.code] AND e.account = $2)
              AND NOT EXISTS (SELECT FROM effects e WHERE e.surplus <> '{}' AND e.surplus @> ARRAY[asked.code]
                              AND e.account = $2)
              AND NOT EXISTS (SELECT FROM effects e WHERE e.decided <> '{}' AND e.decided @> ARRAY[asked.code]
                              AND e.account = $2)
            ORDER BY asked.code
            """,
            list(codes),
            account,
        )
        return [row["code"] for row in rows]
