"""The settings of an account at Lager 7."""

from typing import ClassVar

from pydantic import Field, SecretStr

from hookline.settings import VendorSettings


class LagerSettings(VendorSettings):
    """Lager 7: an API key."""

    prefix = "LAGER7_"
    sandbox_login: ClassVar[dict[str, str]] = {"API_KEY": "sandbox-lager7-key"}

    base_url: str = Field(description="Address of Lager 7.", examples=["https://lager7.example"])
    api_key: SecretStr = Field(description="An API key.")
