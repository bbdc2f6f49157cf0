"""The rows that `ticket-to-invoice` reads page by page are all of them, whether a page counts them or not."""

import pytest

from flows.ticket_to_invoice import _rows
from hookline.clients.jifeline.models import Envelope

PAGES = {0: ["a", "b"], 2: ["c"]}


@pytest.mark.parametrize("total", [3, None])
async def test_all_rows_come_also_where_no_page_says_how_many_there_are(total):
    async def task(_jifeline, *, limit, offset):
        return Envelope[str](result=PAGES.get(offset, []), total=total)

    assert ["a", "b", "c"] == [row async for row in _rows(task, None)]
