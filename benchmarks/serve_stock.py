"""Stock Prefect as in its own tutorial: the flow, served by its own process, which `systems.served` starts."""

from flows.order_to_license import order_to_license

if __name__ == "__main__":
    order_to_license.serve(name="served")
