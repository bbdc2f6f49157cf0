"""An engine's run and one that a person starts are at one order one after the other."""


async def test_a_run_in_another_process_waits_until_the_engine_s_run_of_the_order_has_ended(
    business, run, sandbox, until
):
    sandbox.fault("zentitle", operation="create_license_codes", kind="latency", seconds=4)
    order = await business.order(("LIC-PRO", 1))
    await until(
        lambda: not [f for f in sandbox.faults("zentitle") if f["operation"] == "create_license_codes"],
        "the engine does not run",
    )
    [*_, last] = asked(sandbox, order)

    state = await run(order)

    since = [row["operation"] for row in asked(sandbox, order) if row["seq"] > last["seq"]]
    assert "Completed" == state.name
    assert ["create_sales_order_note", "get_sales_order"] == since[:2]
    assert {"licenses": 1, "consumer_records": 1, "mails": 1, "notes": 1} == business.counts(order)


def asked(sandbox, order):
    """What Jiwa was asked of an order by a run, from its beginning to its end."""
    ours = ("get_sales_order", "create_sales_order_note")
    return [
        row for row in sandbox.requests("jiwa") if row["operation"] in ours and order.InvoiceID in row["path"]
    ]
