"""Stock Prefect, as its own documents begin: the flow, served from a process of its own; `systems.served` starts it."""

from flows.order_to_license import order_to_license

if __name__ == "__main__":
    order_to_license.serve(name="served")
