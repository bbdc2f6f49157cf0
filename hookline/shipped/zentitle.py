"""Zentitle: its registration, and the settings of an account."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr, field_validator

from hookline.settings import VendorSettings
from hookline.vendors import Vendor

VENDOR = Vendor(
    name="zentitle",
    title="Zentitle",
    settings="hookline.shipped.zentitle:ZentitleSettings",
    client="hookline.clients.zentitle:ZentitleClient",
    block="blocks.zentitle:ZentitleCredentials",
    tasks="tasks.zentitle",
    simulator="hookline.simulators.zentitle:ZentitleSimulator",
    probe="hookline.probe.zentitle",
    facts=Path(__file__).parents[1] / "clients" / "zentitle" / "facts.yaml",
    letters="Ze",
    colour="#274690",
    rank=2,
)


class ZentitleSettings(VendorSettings):
    """Zentitle: a customer id with a WebAPI key."""

    prefix = "ZENTITLE_"
    sandbox_login: ClassVar[dict[str, str]] = {"CUSTOMER_ID": "1234", "API_KEY": "sandbox-zentitle-key"}

    base_url: str = Field(
        description="Address of Zentitle, up to and without /api.", examples=["https://my.nalpeiron.com"]
    )
    customer_id: str = Field(description="Your customer id at Zentitle.")
    api_key: SecretStr = Field(description="A WebAPI READ-WRITE key.")
    done_sentences: str | None = Field(
        None,
        description="Sentences by which Zentitle says that a write was done, beside the documented ones; a semicolon "
        "stands between two, and * for anything.",
        examples=["Company has been added; Note * saved"],
    )
    refused_sentences: str | None = Field(
        None, description="The same, for those that say that nothing was done.", examples=["Quota exceeded*"]
    )
    absent_sentences: str | None = Field(
        None,
        description="The same, for those that say that something is not there.",
        examples=["No company *"],
    )

    @field_validator("done_sentences", "refused_sentences", "absent_sentences")
    @classmethod
    def _are_sentences(cls, setting: str | None) -> str | None:
        for each in (setting or "").split(";"):
            if each.strip() and not any(map(str.isalnum, each)):
                raise ValueError(
                    f"{each.strip()!r} would fit any answer: write the sentence, * only for what changes"
                )
        return setting
