"""What late-orders does, as a function: no server is needed."""

from late_orders import late_orders
from prefect.logging import disable_run_logger


async def test_late_orders_takes_the_number_of_the_order() -> None:
    with disable_run_logger():
        assert await late_orders.fn("100123") == "100123"
