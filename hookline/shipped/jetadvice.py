"""JetAdvice: its registration, and the settings of an account."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from hookline.settings import VendorSettings
from hookline.vendors import Vendor

VENDOR = Vendor(
    name="jetadvice",
    title="JetAdvice",
    settings="hookline.shipped.jetadvice:JetadviceSettings",
    client="hookline.clients.jetadvice:JetadviceClient",
    block="blocks.jetadvice:JetadviceCredentials",
    tasks="tasks.jetadvice",
    simulator="hookline.simulators.jetadvice:JetadviceSimulator",
    probe="hookline.probe.jetadvice",
    facts=Path(__file__).parents[1] / "clients" / "jetadvice" / "facts.yaml",
    letters="Ja",
    colour="#7b2d8b",
    rank=4,
)


class JetadviceSettings(VendorSettings):
    """JetAdvice: a user of the JetAdvice Manager with the API role."""

    prefix = "JETADVICE_"
    sandbox_login: ClassVar[dict[str, str]] = {
        "USERNAME": "api@sandbox.example",
        "PASSWORD": "sandbox-jetadvice-password",
    }

    base_url: str = Field(
        description="Address of the JetAdvice API.", examples=["https://api2.jetadvice.com"]
    )
    username: str = Field(description="User name of the JetAdvice Manager; the user needs the API role.")
    password: SecretStr = Field(description="Password of that user.")
    login: Literal["basic", "query"] = Field(
        "basic", description="`query` to log in by the address, where `hookline probe` says so."
    )
