"""What a run is about stands in Prefect and in the inbox: from its first second, and as its flow finds it out."""

from test_batches import BATCH, waiting

from hookline.inbox import search
from hookline.labels import Label


async def found(admin, **filter_):
    listing = await search.find(admin.database, search.Filter(source="admin", **filter_))
    return [(row["id"], row["dispatches"][0]["label"]) for row in listing.deliveries]


async def test_a_run_has_its_label_before_its_flow_begins_and_what_the_flow_adds(admin):
    work = await admin.dispatch("labelled", label=Label("order 7", {"order": "7", "shop": "S"}))
    async with admin.engine():
        await admin.until(lambda: work.written, "it does not begin")
        before = await work.flow_run()
        work.open()
        await work.is_("done")

    after, own = await work.flow_run(), {f"delivery:{work.delivery}", "route:admin"}
    assert (["order 7"], "order 7", {*own, "order:7", "shop:S"}) == (
        work.written,
        before.name,
        {*before.tags},
    )
    assert ("order 7 · Ann", {*own, "order:7", "shop:S", "customer:C-7"}) == (after.name, {*after.tags})
    assert [(work.delivery, "order 7 · Ann")] == await found(admin, about="customer=C-7")


async def test_one_that_fails_is_found_by_what_it_found_out(admin):
    work = await admin.dispatch("labelled", breaks=True)
    work.open()
    async with admin.engine():
        await work.is_("failed")

    assert [(work.delivery, "order 7 · Ann")] == await found(admin, key="C-7", state="failed")


async def test_in_a_batch_the_inbox_has_what_each_is_about(admin):
    works = await waiting(admin, "labelled", 6)
    for work in works:
        work.open()
    async with admin.engine(**BATCH):
        for work in works:
            await work.is_("done")

    assert 1 == len({(await work.row())["flow_run_id"] for work in works})
    assert {(work.delivery, "order 7 · Ann") for work in works} == {*await found(admin, about="order=7")}
