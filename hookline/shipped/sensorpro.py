"""Sensorpro: its registration, and the settings of an account."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from hookline.settings import VendorSettings
from hookline.vendors import Vendor

VENDOR = Vendor(
    name="sensorpro",
    title="Sensorpro",
    settings="hookline.shipped.sensorpro:SensorproSettings",
    client="hookline.clients.sensorpro:SensorproClient",
    block="blocks.sensorpro:SensorproCredentials",
    tasks="tasks.sensorpro",
    simulator="hookline.simulators.sensorpro:SensorproSimulator",
    probe="hookline.probe.sensorpro",
    facts=Path(__file__).parents[1] / "clients" / "sensorpro" / "facts.yaml",
    letters="Sp",
    colour="#c8553d",
    rank=3,
)


class SensorproSettings(VendorSettings):
    """Sensorpro: an organization's API user and its key."""

    prefix = "SENSORPRO_"
    sandbox_login: ClassVar[dict[str, str]] = {
        "ORGANIZATION": "sandbox",
        "USER": "api@sandbox.example",
        "PASSWORD": "sandbox-sensorpro-password",
        "API_KEY": "00000000-0000-4000-8000-00000000c0de",
    }

    base_url: str = Field(
        description="Address of the Sensorpro API.", examples=["https://apinie.sensorpro.net"]
    )
    organization: str = Field(description="Your organization's id.")
    user: str = Field(description="An API user; ordinary users cannot use the API.")
    password: SecretStr = Field(description="Password of the API user.")
    api_key: SecretStr = Field(description="The organization's API key.")
    sign_in: Literal["sign_in", "log_in"] = Field(
        "sign_in", description="`log_in` for the older form, whose address holds the password."
    )
    session_ended: str | None = Field(
        None, description="Text or code of the error of an ended session, where `hookline probe` says so."
    )
