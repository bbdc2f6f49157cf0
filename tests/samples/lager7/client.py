"""Lager 7's operations."""

from typing import Any, ClassVar, Self, Unpack

import httpx
from pydantic import Field
from vendors.lager7.settings import LagerSettings

from hookline.clients.answers import json_value, start_of
from hookline.clients.auth import HeaderKey
from hookline.clients.errors import UnexpectedAnswer, kind_of
from hookline.clients.models import Answer, Input, NoInput
from hookline.clients.operation import Operation, get, post
from hookline.clients.transport import Options, VendorClient


class OneParcel(Input):
    """A parcel, by its id."""

    id: str


class NewParcel(Input):
    """A parcel to be sent."""

    reference: str = Field(min_length=1)
    note: str = ""


class Parcel(Answer):
    """A parcel."""

    id: str
    reference: str
    note: str = ""


class LagerClient(VendorClient):
    """Lager 7, by an API key."""

    vendor: ClassVar[str] = "lager7"
    reference: ClassVar[str] = "Lager 7 API"

    list_parcels = get("/parcels", NoInput, list[Parcel], "Read every parcel.", repeat="safe")
    get_parcel = get("/parcels/{id}", OneParcel, Parcel, "Read a parcel.", repeat="safe")
    create_parcel = post("/parcels", NewParcel, Parcel, "Send a parcel.", repeat="readback")

    @classmethod
    def connect(cls, account: LagerSettings, **options: Unpack[Options]) -> Self:
        """Return a client of an account."""
        return cls(account.base_url, HeaderKey(account.api_key), **options)

    @classmethod
    def decode(cls, operation: Operation[..., Any], response: httpx.Response) -> Any:
        """Return the JSON of a good answer."""
        if not response.is_success:
            raise operation.error(kind_of(response.status_code), response, start_of(response))
        try:
            return json_value(response)
        except ValueError:
            raise operation.error(UnexpectedAnswer, response, start_of(response)) from None
