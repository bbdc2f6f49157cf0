"""Jifeline: its registration, and the settings of an account."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr

from hookline.settings import VendorSettings
from hookline.vendors import Vendor

VENDOR = Vendor(
    name="jifeline",
    title="Jifeline",
    settings="hookline.shipped.jifeline:JifelineSettings",
    client="hookline.clients.jifeline:JifelineClient",
    block="blocks.jifeline:JifelineCredentials",
    tasks="tasks.jifeline",
    simulator="hookline.simulators.jifeline:JifelineSimulator",
    probe="hookline.probe.jifeline",
    facts=Path(__file__).parents[1] / "clients" / "jifeline" / "facts.yaml",
    letters="Jf",
    colour="#8a6d0b",
    rank=5,
)


class JifelineSettings(VendorSettings):
    """Jifeline: a client id and secret made in the Partner Portal."""

    prefix = "JIFELINE_"
    sandbox_login: ClassVar[dict[str, str]] = {
        "CLIENT_ID": "sandbox-jifeline",
        "CLIENT_SECRET": "sandbox-jifeline-secret",
    }

    base_url: str = Field(
        description="Address of the Partner API.", examples=["https://partner-api-001.prd.jifeline.cloud"]
    )
    token_url: str | None = Field(
        None, description="Address that issues tokens; empty for /oauth2/token at the Partner API."
    )
    client_id: str = Field(description="Client id, made in the Partner Portal under Settings, API.")
    client_secret: SecretStr = Field(description="Client secret; the portal mails it once.")
    api_key: SecretStr | None = Field(
        None, description="The x-api-key that older accounts need beside the token."
    )
