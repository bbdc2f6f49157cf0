"""Lager 7: its registration."""

from hookline.vendors import Vendor

VENDOR = Vendor(
    name="lager7",
    title="Lager & Söhne",
    settings="vendors.lager7.settings:LagerSettings",
    client="vendors.lager7.client:LagerClient",
    block="vendors.lager7.block:LagerCredentials",
    tasks="vendors.lager7.tasks",
    simulator="vendors.lager7.simulator:LagerSimulator",
)
