"""Jiwa: its registration, and the settings of an account."""

from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from hookline.settings import VendorSettings
from hookline.vendors import Vendor

VENDOR = Vendor(
    name="jiwa",
    title="Jiwa",
    settings="hookline.shipped.jiwa:JiwaSettings",
    client="hookline.clients.jiwa:JiwaClient",
    block="blocks.jiwa:JiwaCredentials",
    tasks="tasks.jiwa",
    simulator="hookline.simulators.jiwa:JiwaSimulator",
    probe="hookline.probe.jiwa",
    facts=Path(__file__).parents[1] / "clients" / "jiwa" / "facts.yaml",
    letters="Jw",
    colour="#0b6e4f",
    rank=1,
)


class JiwaSettings(VendorSettings):
    """Jiwa: an API key, or a user with a password."""

    prefix = "JIWA_"
    sandbox_login: ClassVar[dict[str, str]] = {"API_KEY": "sandbox-jiwa-key"}

    base_url: str = Field(description="Address of the Jiwa REST API.", examples=["https://jiwa.example.com"])
    api_key: SecretStr | None = Field(
        None, description="API key of a staff member; takes the place of user and password."
    )
    username: str | None = Field(None, description="Jiwa user name, where there is no API key.")
    password: SecretStr | None = Field(None, description="Password of the Jiwa user.")

    @model_validator(mode="after")
    def _has_a_login(self) -> Self:
        if not (self.api_key or (self.username and self.password)):
            raise ValueError(
                "Jiwa needs an API key, or a user name and a password: "
                "set JIWA_API_KEY, or JIWA_USERNAME and JIWA_PASSWORD"
            )
        return self
