"""Going back in time with everything running: what was done and forgotten is found, and nothing is done twice."""

import pytest

from hookline.database import pool
from hookline.database.connection import close_pool
from tests.conftest import until
from tests.installation import Installation, business_of

pytestmark = pytest.mark.alone

ONE_OF_EACH = {"licenses": 1, "consumer_records": 1, "mails": 1, "notes": 1}


@pytest.fixture
def installation(tmp_path, environment):
    return Installation(tmp_path, environment)


async def deliveries(installation, state):
    database = await pool(installation.settings)
    return await database.fetchval("SELECT count(*) FROM deliveries WHERE state = $1", state)


async def test_what_was_done_after_the_backup_is_found_and_only_the_mail_asks(installation):
    file = str(installation.folder / "monday.backup")
    with installation.sandbox() as sandbox:
        async with business_of(sandbox) as firm:
            with installation.up():
                installation.run("apply", "--subscribe", "--url", installation.settings.gateway_url)
                installation.run("backup", file)
                order = await firm.order(("LIC-PRO", 1))
                await firm.noted(order)
                await close_pool(installation.settings)
            assert ONE_OF_EACH == firm.counts(order)
            installation.run("restore", file, "--yes")

            with installation.up() as (_, log):
                held = "HELD      The database was restored from the backup of"
                await until(lambda: held in log.read_text(), "nobody is told that all is held")
                await edit(firm, order)
                await until(lambda: deliveries(installation, "received"), "the delivery is not stored")
                assert ONE_OF_EACH == firm.counts(order)
                assert "held" == installation.json("hold", "show")["state"]
                assert "database's age" in installation.run("doctor", code=1)

                installation.run("hold", "release", "--yes")
                [mail] = await until(
                    lambda: installation.json("effects", "list", "--state", "uncertain"), "nobody asks"
                )
                installation.run("effects", "resolve", str(mail["id"]), "--happened", "--yes")
                await until(lambda: all_done(installation), "it does not end")
                after = await firm.order(("LIC-PRO", 1))
                await firm.noted(after)

                assert "mail" == mail["step"]
                assert ONE_OF_EACH == firm.counts(order)
                assert ONE_OF_EACH == firm.counts(after)
                assert [] == installation.json("effects", "list", "--state", "uncertain")
                await close_pool(installation.settings)


async def edit(firm, order):
    """A person changes a word of the order in Jiwa, which tells of it."""
    await firm.jiwa.update_sales_order(InvoiceID=order.InvoiceID, SOReference="changed")


async def all_done(installation):
    database = await pool(installation.settings)
    return not await database.fetchval(
        "SELECT count(*) FROM deliveries WHERE state NOT IN ('done', 'unrouted')"
    )
