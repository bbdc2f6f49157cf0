"""late-orders: a delivery says which order, and this says what happens then."""

from prefect import flow, get_run_logger


@flow(name="late-orders")
async def late_orders(number: str) -> str:
    """
    Take note of an order.

    Args:
        number: of the order, as the route of this name takes it from the delivery.
    """
    get_run_logger().info("order %s", number)
    # Read and write at vendors by their tasks: `from tasks import jiwa`. What is written there is written once.
    return number
