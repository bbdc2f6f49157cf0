"""Zentitle's (Nalpeiron's) Web API V1: licence codes, products, end users, companies and groups."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, get_origin

import httpx
from pydantic import SecretStr

from hookline.clients.answers import json_value, loose_json, start_of
from hookline.clients.auth import HeaderKey
from hookline.clients.errors import NotAllowed, NotFound, Refused, UnexpectedAnswer, kind_of
from hookline.clients.models import Counted, NoInput
from hookline.clients.operation import Operation, delete, get, post, put
from hookline.clients.transport import VendorClient
from hookline.clients.zentitle.customers import (
    ActivationRequest,
    AssignedLicenseCode,
    ChangedCompany,
    ChangedGroup,
    ChangedGroupUser,
    Company,
    CompanyID,
    ConsumerData,
    DeactivationRequest,
    DeletedCompany,
    DeletedGroupUser,
    Group,
    GroupLicenseCode,
    GroupUser,
    ListConsumerData,
    ListTrials,
    NamedCompany,
    NewCompany,
    NewConsumerData,
    NewEvent,
    NewGroup,
    NewGroupUser,
    NewGroupUserLicense,
    OnComputer,
    OneCompany,
    OneGroup,
    OneGroupUser,
    Trial,
    UnassignedLicenseCode,
    UserAndPassword,
)
from hookline.clients.zentitle.models import (
    ActivatedLicenseCode,
    Activity,
    Certificate,
    ChangedLicenseNote,
    CreateLicenseCodes,
    DeletedActivity,
    DeletedLicenseNote,
    GetLicenseCode,
    LicenseCode,
    LicenseNote,
    ListActivity,
    ListLicenseCodes,
    MasterLicense,
    NewLicenseNote,
    NewMasterLicense,
    NewPassiveLicense,
    OneComputer,
    OneLicenseCode,
    SystemDetails,
    TakeLicenseCodes,
    UpdateLicenseCode,
    is_certificate,
)
from hookline.clients.zentitle.products import (
    ChangedFeatureGroups,
    ChangedFeatures,
    ChangedProduct,
    ChangedProfile,
    ChangedUdfs,
    GetProfile,
    ListProfiles,
    NewFeatureGroups,
    NewFeatures,
    NewProduct,
    NewProfile,
    NewUdfs,
    OneFeature,
    OneFeatureGroup,
    OneProduct,
    OneUdf,
    Product,
    Profile,
)
from hookline.errors import ConfigurationError

KeyKind = Literal["read-write", "read-only", "offline", "ds"]

_DONE = re.compile(r"(?i)(?!.*\bnot\b)(ok|.*\bsuccessfully\b.*)")
_PERHAPS_DONE = re.compile(r"(?i)\bsuccessfully\b")
_MISSING = re.compile(r"(?i)\b(not (be )?found|(does|do) ?n[o']t exist|no such|unknown|no records?)\b")
_NUMBER = re.compile(r"\d{1,18}")
_NUMBERS = re.compile(r"\s*\d[\d,\s]*")
_ACCEPTED = re.compile(r"(?i)\b(ok|true|valid|authenticated|success(ful|fully)?)\b")
_DENIED = re.compile(
    r"(?i)\b(not|no|false|wrong|invalid|incorrect|denied|fail(s|ed|ure)?|un(known|successful\w*|auth\w+))\b|n't\b"
)

_LARGEST_CODE = 10**30

ANSWER: Final = "what it answers when it worked"
COUNT: Final = "how the bare count on page 0 is written"


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
    list_license_codes = get("/api/LicenseCodes", ListLicenseCodes, Counted[LicenseCode],
        "Read a page of licences, or count them on page 0.", repeat="safe", assumed=COUNT)
    take_next_license_codes = get("/api/NextLicenseCode", TakeLicenseCodes, list[str],
        "Take unused licence codes, which are then never handed out again; a repeat takes others.",
        repeat="look", assumed="how the list of codes is written")
    list_activated_license_codes = get(
        "/api/ActivatedLicenseCodes", OneComputer, list[ActivatedLicenseCode],
        "Read which licence codes are active on a computer.", repeat="safe")
    list_license_code_activity = get("/api/LicenseCodeActivity", ListActivity, list[Activity],
        "Read on which computers a licence code is or was active.", repeat="safe")
    return_license_code_activations = put("/api/LicenseCodeActivity", OneLicenseCode, str,
        "Return all activations of a licence code, on every computer.", repeat="safe", assumed=ANSWER)
    delete_license_code_activity = delete("/api/LicenseCodeActivity", DeletedActivity, str,
        "Delete the activity of a licence code on one computer, or, if said, on all.",
        repeat="look", assumed=ANSWER)
    create_passive_license = post("/api/PassiveLicense", NewPassiveLicense, Certificate,
        "Make a licence for a client that never comes online; a repeat may make another.",
        repeat="look", says="Passive License Created Successfully.")
    create_network_master_license = post("/api/NetworkMasterLicense", NewMasterLicense, MasterLicense,
        "Make the licence of a local network's daemon; a repeat may make another.",
        repeat="look", assumed=ANSWER)

    # Notes of a licence
    list_license_notes = get("/api/LicenseNote", OneLicenseCode, list[LicenseNote],
        "Read the notes of a licence.", repeat="safe")
    create_license_note = post("/api/LicenseNote", NewLicenseNote, str,
        "Add a note to a licence; a repeat adds another.", repeat="look", assumed=ANSWER)
    update_license_note = put("/api/LicenseNote", ChangedLicenseNote, str,
        "Change a note of a licence.", repeat="safe", assumed=ANSWER)
    delete_license_note = delete("/api/LicenseNote", DeletedLicenseNote, str,
        "Delete a note of a licence, or, if said, all its notes.", repeat="look", assumed=ANSWER)

    # Products
    list_products = get("/api/Products", NoInput, list[Product],
        "Read every product.", repeat="safe")
    get_product = get("/api/Product", OneProduct, Product,
        "Read a product.", repeat="safe")
    create_product = post("/api/Product", NewProduct, str,
        "Create a product, whose id list_products tells; a repeat may create another.",
        repeat="look", assumed=ANSWER)
    update_product = put("/api/Product", ChangedProduct, str,
        "Change what is given of a product.", repeat="safe", says="Product Updated Successfully")
    create_product_feature_groups = post("/api/ProductFeatureGroups", NewFeatureGroups, str,
        "Add groups of features to a product.",
        repeat="look", says="Product FeatureGroups Created Successfully")
    update_product_feature_groups = put("/api/ProductFeatureGroups", ChangedFeatureGroups, str,
        "Rename groups of features, or change their notes.",
        repeat="look", says="Product FeatureGroups Updated Successfully")
    delete_product_feature_group = delete("/api/ProductFeatureGroups", OneFeatureGroup, str,
        "Delete a group of features.", repeat="look", says="Product FeatureGroup Deleted Successfully")
    create_product_features = post("/api/ProductFeatures", NewFeatures, str,
        "Add features to a product.", repeat="look", says="Product Features Created Successfully")
    update_product_features = put("/api/ProductFeatures", ChangedFeatures, str,
        "Change features of a product; whether each is available in trials is always set.",
        repeat="look", says="Product Features Updated Successfully",
        assumed="the list is called features, as in the vendor's table, not featureGroups, as in its sample")
    delete_product_feature = delete("/api/ProductFeatures", OneFeature, str,
        "Delete a feature of a product.", repeat="look", says="Product Feature Deleted Successfully")
    create_product_udf = post("/api/ProductUDF", NewUdfs, str,
        "Add user-defined fields to a product.", repeat="look", says="Product UDF Created Successfully")
    update_product_udf = put("/api/ProductUDF", ChangedUdfs, str,
        "Rename user-defined fields of a product, or change their defaults.",
        repeat="look", says="Product Features Updated Successfully")
    delete_product_udf = delete("/api/ProductUDF", OneUdf, str,
        "Delete a user-defined field of a product.", repeat="look", says="Product UDF Deleted Successfully")

    # Profiles
    get_profile = get("/api/Profile", GetProfile, Profile,
        "Read a profile.", repeat="safe")
    create_profile = post("/api/Profile", NewProfile, str,
        "Create a profile; a second of the same name should be refused.", repeat="look", assumed=ANSWER)
    update_profile = put("/api/Profile", ChangedProfile, str,
        "Change what is given of a profile, and, if said, of every licence code in it.",
        repeat="safe", says="Profile Updated Successfully")
    list_profiles = get("/api/Profiles", ListProfiles, Counted[Profile],
        "Read a page of profiles, or count them on page 0.", repeat="safe", assumed=COUNT)

    # End users, trials and computers
    list_consumer_data = get("/api/ConsumerData", ListConsumerData, Counted[ConsumerData],
        "Read a page of user records, or count them on page 0.", repeat="safe", assumed=COUNT)
    create_consumer_data = post("/api/ConsumerData", NewConsumerData, str,
        "Add a user record; a repeat adds another.", repeat="look", assumed=ANSWER)
    get_trial = get("/api/Trial", OnComputer, str,
        "Tell the state of a trial in the vendor's words, such as `In Trial`.", repeat="safe")
    delete_trial = delete("/api/Trial", OnComputer, str,
        "Reset a trial, so that it may begin again.", repeat="look", says="Trial Deleted Successfully")
    list_trials = get("/api/Trials", ListTrials, Counted[Trial],
        "Read a page of trials, or count them on page 0.", repeat="safe", assumed=COUNT)
    get_offline_activation = get("/api/OfflineActivation", ActivationRequest, Certificate,
        "Activate a program that is offline, and return the certificate that unlocks it.", repeat="look")
    delete_offline_activation = delete("/api/OfflineActivation", DeactivationRequest, str,
        "Deactivate a program that is offline.", repeat="look", says="OK")
    get_system_details = get("/api/SystemDetails", OnComputer, SystemDetails,
        "Read what a licensed program told of its computer.", repeat="safe")

    # Companies
    get_company = get("/api/Company", OneCompany, Company,
        "Read a company.", repeat="safe")
    create_company = post("/api/Company", NewCompany, str,
        "Create a company, whose id get_company_id tells; a repeat may create another.",
        repeat="look", assumed=ANSWER)
    update_company = put("/api/Company", ChangedCompany, str,
        "Change what is given of a company.", repeat="safe", assumed=ANSWER)
    delete_company = delete("/api/Company", DeletedCompany, str,
        "Delete a company.", repeat="look", assumed=ANSWER)
    get_company_id = get("/api/CompanyID", NamedCompany, CompanyID,
        "Find a company's id by its exact name.", repeat="safe")
    list_companies_products = get("/api/CompaniesProducts", NoInput, list[CompanyID],
        "Read the ids of all companies with their products.", repeat="safe")

    # Groups
    get_group = get("/api/Group", OneGroup, Group,
        "Read a group with its licence codes, users and subgroups.", repeat="safe")
    create_group = post("/api/Group", NewGroup, str,
        "Create a group; a second of the same name should be refused.", repeat="look", assumed=ANSWER)
    update_group = put("/api/Group", ChangedGroup, str,
        "Change what is given of a group.", repeat="safe", assumed=ANSWER)
    delete_group = delete("/api/Group", OneGroup, str,
        "Delete a group.", repeat="look", assumed=ANSWER)
    get_group_user = get("/api/GroupUser", OneGroupUser, GroupUser,
        "Read a user of a group.", repeat="safe")
    create_group_user = post("/api/GroupUser", NewGroupUser, str,
        "Add a user to a group; a second of the same name should be refused.",
        repeat="look", assumed=ANSWER)
    update_group_user = put("/api/GroupUser", ChangedGroupUser, str,
        "Change what is given of a user, and put it into the group named.", repeat="safe", assumed=ANSWER)
    delete_group_user = delete("/api/GroupUser", DeletedGroupUser, str,
        "Delete a user of a group.", repeat="look", assumed=ANSWER)
    update_group_user_password = put("/api/GroupUserPassword", UserAndPassword, str,
        "Set the password of a user.", repeat="safe", assumed=ANSWER)
    get_group_license_code = get("/api/GroupLicenseCode", OneLicenseCode, GroupLicenseCode,
        "Read which group a licence code is assigned to.", repeat="safe")
    assign_group_license_code = post("/api/GroupLicenseCode", AssignedLicenseCode, str,
        "Assign a licence code to a group, and to the company and profile named.",
        repeat="look", assumed=ANSWER)
    unassign_group_license_code = delete("/api/GroupLicenseCode", UnassignedLicenseCode, str,
        "Take a licence code from a group.", repeat="look", assumed=ANSWER)
    create_group_user_license = post("/api/GroupUserLicense", NewGroupUserLicense, str,
        "Create a group with a user and assign a licence code to it; it may be done in part.",
        repeat="look", assumed=ANSWER)
    authenticate_user = get("/api/AuthenticateUser", UserAndPassword, bool,
        "Tell whether a user's password is right.", repeat="safe", assumed="the words of both answers")

    # Events
    create_datastreamer_event = post("/api/DataStreamer", NewEvent, str,
        "Put an event of your own into the DataStream; a repeat adds another.",
        repeat="never", assumed=ANSWER)
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
        if _answers(operation, Certificate) and isinstance(value, str) and is_certificate(value):
            return value
        return (_read if operation.verb == "GET" else _done)(operation, response, value)


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


def _answers(operation: Operation[..., Any], kind: type) -> bool:
    return isinstance(operation.answer, type) and issubclass(operation.answer, kind)


def _said(response: httpx.Response) -> str:
    """The vendor's words about a failure: a text, or an object with a `Message`."""
    value = loose_json(response)
    if isinstance(value, Mapping):
        value = next((part for name, part in value.items() if name.lower() == "message"), None)
    return str(value) if isinstance(value, str) and value else start_of(response)


# What writes answer -----------------------------------------------------------------------------------------


def _done(operation: Operation[..., Any], response: httpx.Response, value: Any) -> Any:
    """What a write answered, if it says that it worked."""
    if not isinstance(value, str) or not _DONE.fullmatch(" ".join(value.split())):
        refusal = isinstance(value, str) and operation.says and not _PERHAPS_DONE.search(value)
        raise operation.error(Refused if refusal else UnexpectedAnswer, response, _said(response))
    return _codes(operation, response, value) if operation.answer == list[str] else value


def _codes(operation: Operation[..., Any], response: httpx.Response, text: str) -> list[str]:
    """The codes of a text, behind its colon if it has one; `OK` is the answer to an import and holds none."""
    if text.strip().upper() == "OK":
        return []
    codes = [code.strip() for code in text.rpartition(":")[2].split(",")]
    if not all(re.fullmatch(r"[\w-]+", code) for code in codes):
        raise operation.error(UnexpectedAnswer, response, "it tells of codes but they cannot be read")
    return codes


# What reads answer ------------------------------------------------------------------------------------------


def _read(operation: Operation[..., Any], response: httpx.Response, value: Any) -> Any:
    """Words, a verdict, a count, codes, records, or one record; an error's text may stand in their place."""
    if operation.answer is str:
        return value or None
    if operation.answer is bool:
        return _verdict(operation, response, value)
    if operation.answer == list[str]:
        return _taken(operation, response, value)
    if _answers(operation, Counted):
        return _counted(operation, response, value)
    rows = _rows(operation, response, value)
    return rows if get_origin(operation.answer) is list else _only(operation, response, rows)


def _rows(operation: Operation[..., Any], response: httpx.Response, value: Any) -> Any:
    """Records, of which a single one may come bare; a text in their place is an error."""
    if isinstance(value, str) and value.strip():
        raise operation.error(NotFound if _MISSING.search(value) else Refused, response, value)
    return [value] if isinstance(value, Mapping) else value or []


def _only(operation: Operation[..., Any], response: httpx.Response, rows: Any) -> Any:
    if not isinstance(rows, list):
        return rows
    if len(rows) > 1:
        raise operation.error(UnexpectedAnswer, response, f"{len(rows)} of them; name the product")
    if not rows:
        raise operation.error(NotFound, response, "an empty answer")
    return rows[0]


def _counted(operation: Operation[..., Any], response: httpx.Response, value: Any) -> dict[str, Any]:
    """The rows of a page; of page 0 their number, which may come as text."""
    number = int(value) if isinstance(value, str) and _NUMBER.fullmatch(value.strip()) else value
    if isinstance(number, int) and not isinstance(number, bool):
        return {"Total": number}
    return {"Results": _rows(operation, response, value)}


def _taken(operation: Operation[..., Any], response: httpx.Response, value: Any) -> Any:
    """Codes in whichever way they are listed: texts, numbers, records, or a text with commas."""
    if isinstance(value, str) and (_NUMBERS.fullmatch(value) or _PERHAPS_DONE.search(value)):
        return _codes(operation, response, value)
    rows = _rows(operation, response, value)
    return [_code(row) for row in rows] if isinstance(rows, list) else [_code(rows)]


def _code(row: Any) -> Any:
    if isinstance(row, Mapping):
        row = next((part for name, part in row.items() if name.lower() == "licensecode"), None)
    is_number = isinstance(row, int) and not isinstance(row, bool) and 0 < row < _LARGEST_CODE
    return str(row) if is_number else row


def _verdict(operation: Operation[..., Any], response: httpx.Response, value: Any) -> Any:
    """True or false, or words for it; what is neither is never taken for a yes."""
    if isinstance(value, str):
        words = " ".join(value.split())
        if _DENIED.search(words):
            return False
        if _ACCEPTED.search(words):
            return True
    if not isinstance(value, bool):
        raise operation.error(UnexpectedAnswer, response, _said(response))
    return value
