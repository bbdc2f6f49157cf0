"""Zentitle's (Nalpeiron's) Web API V1: licence codes, products, end users and companies."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_origin

import httpx
from pydantic import SecretStr

from hookline.clients.answers import json_value, loose_json, start_of
from hookline.clients.auth import HeaderKey
from hookline.clients.errors import NotAllowed, NotFound, Refused, UnexpectedAnswer, kind_of
from hookline.clients.models import NoInput
from hookline.clients.operation import Operation, get, post, put
from hookline.clients.transport import VendorClient
from hookline.clients.zentitle_models import (
    Company,
    CompanyID,
    ConsumerData,
    CreateLicenseCodes,
    GetLicenseCode,
    GetProfile,
    LicenseCode,
    LicenseNote,
    ListConsumerData,
    ListLicenseCodes,
    NamedCompany,
    NewCompany,
    NewConsumerData,
    NewLicenseNote,
    OneCompany,
    OneLicenseCode,
    OneProduct,
    Product,
    Profile,
    UpdateLicenseCode,
)
from hookline.errors import ConfigurationError

KeyKind = Literal["read-write", "read-only", "offline", "ds"]

_DONE = re.compile(r"(?i)(?!.*\bnot\b)(ok|.*\bsuccessfully\b.*)")
_PERHAPS_DONE = re.compile(r"(?i)\bsuccessfully\b")
_MISSING = re.compile(r"(?i)\b(not (be )?found|(does|do) ?n[o']t exist|no such|unknown|no records?)\b")


class ZentitleClient(VendorClient):
    """Zentitle by a Web API key; every input travels in a JSON body, those of a GET too."""

    vendor: ClassVar[str] = "zentitle"
    reference: ClassVar[str] = "Zentitle Web API V1"
    body_on_every_verb: ClassVar[bool] = True

    # fmt: off
    # Licences: https://my.nalpeiron.com/api, article 1500001412902
    get_license_code = get("/api/LicenseCode", GetLicenseCode, LicenseCode,
        "Read a licence, with its notes where getnotes=1.", repeat="safe")
    create_license_codes = post("/api/LicenseCode", CreateLicenseCodes, list[str],
        "Generate licence codes and return them, or import given ones and return none; a repeat makes more.",
        repeat="look", says="License Codes Created Successfully")
    update_license_code = put("/api/LicenseCode", UpdateLicenseCode, str,
        "Change what is given of a licence; notes and perhaps days are added.",
        repeat="look", says="License Code Details Updated Successfully")
    list_license_codes = get("/api/LicenseCodes", ListLicenseCodes, list[LicenseCode],
        "Read a page of licences.", repeat="safe")
    list_license_notes = get("/api/LicenseNote", OneLicenseCode, list[LicenseNote],
        "Read the notes of a licence.", repeat="safe")
    create_license_note = post("/api/LicenseNote", NewLicenseNote, str,
        "Add a note to a licence; a repeat adds another.", repeat="look")

    # Products and profiles
    list_products = get("/api/Products", NoInput, list[Product],
        "Read every product.", repeat="safe")
    get_product = get("/api/Product", OneProduct, Product,
        "Read a product.", repeat="safe")
    get_profile = get("/api/Profile", GetProfile, Profile,
        "Read a profile.", repeat="safe")

    # End users
    list_consumer_data = get("/api/ConsumerData", ListConsumerData, list[ConsumerData],
        "Read a page of user records.", repeat="safe")
    create_consumer_data = post("/api/ConsumerData", NewConsumerData, str,
        "Add a user record; a repeat adds another.", repeat="look")

    # Companies
    get_company = get("/api/Company", OneCompany, Company,
        "Read a company.", repeat="safe")
    create_company = post("/api/Company", NewCompany, str,
        "Create a company, whose id get_company_id tells; a repeat may create another.", repeat="look")
    get_company_id = get("/api/CompanyID", NamedCompany, CompanyID,
        "Find a company's id by its exact name.", repeat="safe")
    # fmt: on

    @classmethod
    def decode(cls, operation: Operation[..., Any], response: httpx.Response) -> Any:
        """
        The JSON of a good answer.

        Zentitle says what went wrong in the place of the answer, so a text where a record is due is a
        refusal, and so is any text but the known one where the vendor documents what it says when a write
        worked.
        """
        if not response.is_success:
            raise operation.error(kind_of(response.status_code), response, _said(response))
        try:
            value = json_value(response) if response.content.strip() else None
        except ValueError:
            raise operation.error(UnexpectedAnswer, response, start_of(response)) from None
        return (
            _read(operation, response, value)
            if operation.verb == "GET"
            else _done(operation, response, value)
        )


class ZentitleKey(HeaderKey):
    """
    A Web API key.

    With its `kind` given, a call it cannot open is refused before it is sent.
    """

    scheme: ClassVar[str] = "bearer"

    def __init__(self, customer_id: str, api_key: SecretStr, kind: KeyKind | None = None) -> None:
        super().__init__(api_key)
        if not re.fullmatch(r"[0-9A-Za-z-]+", customer_id):
            raise ConfigurationError("Zentitle's customer id is a number, as in 1234.")
        self.customer_id = customer_id
        self.kind = kind

    def credentials(self) -> str:
        """The customer and the key."""
        return f"{self.customer_id}:{super().credentials()}"

    def permit(self, operation: Operation[..., Any]) -> None:
        """Zentitle's table of keys and calls."""
        if self.kind is not None and not _opens(self.kind, operation):
            raise operation.error(NotAllowed, None, f"a {self.kind} key does not open it, so it was not sent")


def _opens(kind: KeyKind, operation: Operation[..., Any]) -> bool:
    streams = operation.path == "/api/DataStreamer"
    return {
        "read-write": not streams,
        "read-only": operation.verb == "GET" and not streams,
        "offline": operation.path == "/api/OfflineActivation",
        "ds": streams,
    }[kind]


def _said(response: httpx.Response) -> str:
    """The vendor's words about a failure: a text, or an object with a `Message`."""
    value = loose_json(response)
    if isinstance(value, Mapping):
        value = next((part for name, part in value.items() if name.lower() == "message"), None)
    return str(value) if isinstance(value, str) and value else start_of(response)


def _done(operation: Operation[..., Any], response: httpx.Response, value: Any) -> Any:
    """What a write answered, if it says that it worked."""
    if not isinstance(value, str) or not _DONE.fullmatch(" ".join(value.split())):
        refusal = isinstance(value, str) and operation.says and not _PERHAPS_DONE.search(value)
        raise operation.error(Refused if refusal else UnexpectedAnswer, response, _said(response))
    return _codes(operation, response, value) if get_origin(operation.answer) is list else value


def _codes(operation: Operation[..., Any], response: httpx.Response, text: str) -> list[str]:
    """The codes behind the colon; `OK` is the answer to an import and holds none."""
    if text.strip().upper() == "OK":
        return []
    codes = [code.strip() for code in text.partition(":")[2].split(",")]
    if not all(re.fullmatch(r"[\w-]+", code) for code in codes):
        raise operation.error(UnexpectedAnswer, response, "it tells of codes but they cannot be read")
    return codes


def _read(operation: Operation[..., Any], response: httpx.Response, value: Any) -> Any:
    """A record, a list, or an error's text in its place. Single records come as a list of one, or bare."""
    if operation.answer is str:
        return value
    if isinstance(value, str) and value.strip():
        raise operation.error(NotFound if _MISSING.search(value) else Refused, response, value)
    if get_origin(operation.answer) is list:
        return [value] if isinstance(value, Mapping) else value or []
    if not isinstance(value, list):
        value = [value] if value else []
    if len(value) > 1:
        raise operation.error(UnexpectedAnswer, response, f"{len(value)} of them; name the product")
    if not value:
        raise operation.error(NotFound, response, "an empty answer")
    return value[0]
