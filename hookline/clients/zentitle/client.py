"""The operations, keys and answers of Zentitle's (Nalpeiron's) Web API V1."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, get_origin

import httpx
from pydantic import SecretStr

from hookline.clients.answers import json_value, loose_json, start_of
from hookline.clients.auth import HeaderKey
from hookline.clients.errors import NotAllowed, NotFound, Refused, UnexpectedAnswer, kind_of
from hookline.clients.models import CountedPage, NoInput
from hookline.clients.operation import Operation, delete, get, post, put
from hookline.clients.transport import VendorClient
from hookline.clients.zentitle import customers, models, products
from hookline.errors import ConfigurationError

KeyKind = Literal["read-write", "read-only", "offline", "ds"]

_SUCCESS = re.compile(r"(?i)(?!.*\bnot\b)(ok|.*\bsuccessfully\b.*)")
_MAYBE_SUCCESS = re.compile(r"(?i)\bsuccessfully\b")
_MISSING = re.compile(r"(?i)\b(not (be )?found|(does|do) ?n[o']t exist|no such|unknown|no records?)\b")
_NUMBER = re.compile(r"\d{1,18}")
_NUMBERS = re.compile(r"\s*\d[\d,\s]*")
_ACCEPTED = re.compile(r"(?i)\b(ok|true|valid|authenticated|success(ful|fully)?)\b")
_DENIED = re.compile(
    r"(?i)\b(not|no|false|wrong|invalid|incorrect|denied|fail(s|ed|ure)?|un(known|successful\w*|auth\w+))\b|n't\b"
)

_MAX_CODE = 10**30

ANSWER: Final = "what it answers when it worked"
COUNT: Final = "how the bare count on page 0 is written"


class ZentitleClient(VendorClient):
    """Zentitle by a Web API key; every input travels in a JSON body, those of a GET too."""

    vendor: ClassVar[str] = "zentitle"
    reference: ClassVar[str] = "Zentitle Web API V1"
    body_on_every_verb: ClassVar[bool] = True

    # fmt: off
    # Licences: https://my.nalpeiron.com/api, article 1500001412902
    get_license_code = get("/api/LicenseCode", models.GetLicenseCode, models.LicenseCode,
        "Read a licence, with its notes where getnotes=1.", repeat="safe",
        shows="licenseType subscriptionPeriod clientsAllowed enabledForUse")
    create_license_codes = post("/api/LicenseCode", models.CreateLicenseCodes, list[str],
        "Generate licence codes and return them, or import given ones and return none; a repeat makes more.",
        repeat="readback", confirmation="License Codes Created Successfully")
    update_license_code = put("/api/LicenseCode", models.UpdateLicenseCode, str,
        "Change the given fields of a licence; notes and perhaps days are added.", repeat="readback",
        confirmation="License Code Details Updated Successfully")
    list_license_codes = get("/api/LicenseCodes", models.ListLicenseCodes, CountedPage[models.LicenseCode],
        "Read a page of licences, or count them on page 0.", repeat="safe", assumed=COUNT)
    take_next_license_codes = get("/api/NextLicenseCode", models.TakeLicenseCodes, list[str],
        "Take unused licence codes, which are then never handed out again; a repeat takes others.",
        repeat="readback", assumed="how the list of codes is written")
    list_activated_license_codes = get("/api/ActivatedLicenseCodes", models.OneComputer,
        list[models.ActivatedLicenseCode], "Read which licence codes are active on a computer.", repeat="safe")
    list_license_code_activity = get("/api/LicenseCodeActivity", models.ListActivity, list[models.Activity],
        "Read on which computers a licence code is or was active.", repeat="safe")
    return_license_code_activations = put("/api/LicenseCodeActivity", models.OneLicenseCode, str,
        "Return all activations of a licence code, on every computer.", repeat="safe", assumed=ANSWER)
    delete_license_code_activity = delete("/api/LicenseCodeActivity", models.DeletedActivity, str,
        "Delete the activity of a licence code on one computer, or, if confirmed, on all.", repeat="readback",
        assumed=ANSWER)
    create_passive_license = post("/api/PassiveLicense", models.NewPassiveLicense, models.Certificate,
        "Make a licence for a client that never comes online; a repeat may make another.", repeat="readback",
        confirmation="Passive License Created Successfully.")
    create_network_master_license = post("/api/NetworkMasterLicense", models.NewMasterLicense,
        models.MasterLicense, "Make the licence of a local network's daemon; a repeat may make another.",
        repeat="readback", assumed=ANSWER)

    # Notes of a licence
    list_license_notes = get("/api/LicenseNote", models.OneLicenseCode, list[models.LicenseNote],
        "Read the notes of a licence.", repeat="safe", shows="description")
    create_license_note = post("/api/LicenseNote", models.NewLicenseNote, str,
        "Add a note to a licence; a repeat adds another.", repeat="readback", assumed=ANSWER)
    update_license_note = put("/api/LicenseNote", models.ChangedLicenseNote, str,
        "Change a note of a licence.", repeat="safe", assumed=ANSWER)
    delete_license_note = delete("/api/LicenseNote", models.DeletedLicenseNote, str,
        "Delete a note of a licence, or, if confirmed, all its notes.", repeat="readback", assumed=ANSWER)

    # Products
    list_products = get("/api/Products", NoInput, list[products.Product],
        "Read every product.", repeat="safe")
    get_product = get("/api/Product", products.OneProduct, products.Product,
        "Read a product.", repeat="safe")
    create_product = post("/api/Product", products.NewProduct, str,
        "Create a product, whose id list_products shows; a repeat may create another.", repeat="readback",
        assumed=ANSWER)
    update_product = put("/api/Product", products.ChangedProduct, str,
        "Change the given fields of a product.", repeat="safe", confirmation="Product Updated Successfully")
    create_product_feature_groups = post("/api/ProductFeatureGroups", products.NewFeatureGroups, str,
        "Add groups of features to a product.", repeat="readback",
        confirmation="Product FeatureGroups Created Successfully")
    update_product_feature_groups = put("/api/ProductFeatureGroups", products.ChangedFeatureGroups, str,
        "Rename groups of features, or change their notes.", repeat="readback",
        confirmation="Product FeatureGroups Updated Successfully")
    delete_product_feature_group = delete("/api/ProductFeatureGroups", products.OneFeatureGroup, str,
        "Delete a group of features.", repeat="readback",
        confirmation="Product FeatureGroup Deleted Successfully")
    create_product_features = post("/api/ProductFeatures", products.NewFeatures, str,
        "Add features to a product.", repeat="readback", confirmation="Product Features Created Successfully")
    update_product_features = put("/api/ProductFeatures", products.ChangedFeatures, str,
        "Change features of a product; whether each is available in trials is always set.", repeat="readback",
        confirmation="Product Features Updated Successfully",
        assumed="the list is called features, as in the vendor's table, not featureGroups, as in its sample")
    delete_product_feature = delete("/api/ProductFeatures", products.OneFeature, str,
        "Delete a feature of a product.", repeat="readback",
        confirmation="Product Feature Deleted Successfully")
    create_product_udf = post("/api/ProductUDF", products.NewUdfs, str,
        "Add user-defined fields to a product.", repeat="readback",
        confirmation="Product UDF Created Successfully")
    update_product_udf = put("/api/ProductUDF", products.ChangedUdfs, str,
        "Rename user-defined fields of a product, or change their defaults.", repeat="readback",
        confirmation="Product Features Updated Successfully")
    delete_product_udf = delete("/api/ProductUDF", products.OneUdf, str,
        "Delete a user-defined field of a product.", repeat="readback",
        confirmation="Product UDF Deleted Successfully")

    # Profiles
    get_profile = get("/api/Profile", products.GetProfile, products.Profile,
        "Read a profile.", repeat="safe")
    create_profile = post("/api/Profile", products.NewProfile, str,
        "Create a profile; a second of the same name should be refused.", repeat="readback", assumed=ANSWER)
    update_profile = put("/api/Profile", products.ChangedProfile, str,
        "Change the given fields of a profile, and, if asked, of every licence code in it.", repeat="safe",
        confirmation="Profile Updated Successfully")
    list_profiles = get("/api/Profiles", products.ListProfiles, CountedPage[products.Profile],
        "Read a page of profiles, or count them on page 0.", repeat="safe", assumed=COUNT)

    # End users, trials and computers
    list_consumer_data = get("/api/ConsumerData", customers.ListConsumerData,
        CountedPage[customers.ConsumerData], "Read a page of user records, or count them on page 0.",
        repeat="safe", assumed=COUNT, shows="Results.licenseCode Results.clientInfo")
    create_consumer_data = post("/api/ConsumerData", customers.NewConsumerData, str,
        "Add a user record; a repeat adds another.", repeat="readback", assumed=ANSWER)
    get_trial = get("/api/Trial", customers.OnComputer, str,
        "Read the state of a trial as the vendor's text, such as `In Trial`.", repeat="safe")
    delete_trial = delete("/api/Trial", customers.OnComputer, str,
        "Reset a trial, so that it may begin again.", repeat="readback",
        confirmation="Trial Deleted Successfully")
    list_trials = get("/api/Trials", customers.ListTrials, CountedPage[customers.Trial],
        "Read a page of trials, or count them on page 0.", repeat="safe", assumed=COUNT)
    get_offline_activation = get("/api/OfflineActivation", customers.ActivationRequest, models.Certificate,
        "Activate a program that is offline, and return the certificate that unlocks it.", repeat="readback")
    delete_offline_activation = delete("/api/OfflineActivation", customers.DeactivationRequest, str,
        "Deactivate a program that is offline.", repeat="readback", confirmation="OK")
    get_system_details = get("/api/SystemDetails", customers.OnComputer, models.SystemDetails,
        "Read what a licensed program reported about its computer.", repeat="safe")

    # Companies
    get_company = get("/api/Company", customers.OneCompany, customers.Company,
        "Read a company.", repeat="safe", shows="search1")
    create_company = post("/api/Company", customers.NewCompany, str,
        "Create a company, whose id get_company_id finds; a repeat may create another.", repeat="readback",
        assumed=ANSWER)
    update_company = put("/api/Company", customers.ChangedCompany, str,
        "Change the given fields of a company.", repeat="safe", assumed=ANSWER)
    delete_company = delete("/api/Company", customers.DeletedCompany, str,
        "Delete a company.", repeat="readback", assumed=ANSWER)
    get_company_id = get("/api/CompanyID", customers.NamedCompany, customers.CompanyID,
        "Find a company's id by its exact name.", repeat="safe")
    list_companies_products = get("/api/CompaniesProducts", NoInput, list[customers.CompanyID],
        "Read the ids of all companies with their products.", repeat="safe",
        shows="company companyID productID")

    # Groups
    get_group = get("/api/Group", customers.OneGroup, customers.Group,
        "Read a group with its licence codes, users and subgroups.", repeat="safe")
    create_group = post("/api/Group", customers.NewGroup, str,
        "Create a group; a second of the same name should be refused.", repeat="readback", assumed=ANSWER)
    update_group = put("/api/Group", customers.ChangedGroup, str,
        "Change the given fields of a group.", repeat="safe", assumed=ANSWER)
    delete_group = delete("/api/Group", customers.OneGroup, str,
        "Delete a group.", repeat="readback", assumed=ANSWER)
    get_group_user = get("/api/GroupUser", customers.OneGroupUser, customers.GroupUser,
        "Read a user of a group.", repeat="safe")
    create_group_user = post("/api/GroupUser", customers.NewGroupUser, str,
        "Add a user to a group; a second of the same name should be refused.", repeat="readback",
        assumed=ANSWER)
    update_group_user = put("/api/GroupUser", customers.ChangedGroupUser, str,
        "Change the given fields of a user, and put it into the group named.", repeat="safe", assumed=ANSWER)
    delete_group_user = delete("/api/GroupUser", customers.DeletedGroupUser, str,
        "Delete a user of a group.", repeat="readback", assumed=ANSWER)
    update_group_user_password = put("/api/GroupUserPassword", customers.UserAndPassword, str,
        "Set the password of a user.", repeat="safe", assumed=ANSWER)
    get_group_license_code = get("/api/GroupLicenseCode", models.OneLicenseCode, customers.GroupLicenseCode,
        "Read which group a licence code is assigned to.", repeat="safe")
    assign_group_license_code = post("/api/GroupLicenseCode", customers.AssignedLicenseCode, str,
        "Assign a licence code to a group, and to the company and profile named.", repeat="readback",
        assumed=ANSWER)
    unassign_group_license_code = delete("/api/GroupLicenseCode", customers.UnassignedLicenseCode, str,
        "Take a licence code from a group.", repeat="readback", assumed=ANSWER)
    create_group_user_license = post("/api/GroupUserLicense", customers.NewGroupUserLicense, str,
        "Create a group with a user and assign a licence code to it; it may be done in part.",
        repeat="readback", assumed=ANSWER)
    authenticate_user = get("/api/AuthenticateUser", customers.UserAndPassword, bool,
        "Check whether a user's password is right.", repeat="safe", assumed="the text of both answers")

    # Events
    create_datastreamer_event = post("/api/DataStreamer", customers.NewEvent, str,
        "Put an event of your own into the DataStream; a repeat adds another.", repeat="never", assumed=ANSWER)
    # fmt: on

    @classmethod
    def decode(cls, operation: Operation[..., Any], response: httpx.Response) -> Any:
        """
        Return the JSON of a good answer.

        Zentitle puts the text of an error in the place of the answer. So a text in the place of a record is a
        refusal, and so is any text but the documented one where a write has a documented confirmation.
        """
        if not response.is_success:
            raise operation.error(kind_of(response.status_code), response, _error_text(response))
        try:
            value = json_value(response) if response.content.strip() else None
        except ValueError:
            raise operation.error(UnexpectedAnswer, response, start_of(response)) from None
        if (
            _answers(operation, models.Certificate)
            and isinstance(value, str)
            and models.is_certificate(value)
        ):
            return value
        return (_read if operation.verb == "GET" else _read_confirmation)(operation, response, value)


class ZentitleKey(HeaderKey):
    """A Web API key. With its `kind` set, a call that it does not open is refused before it is sent."""

    scheme: ClassVar[str] = "bearer"

    def __init__(self, customer_id: str, api_key: SecretStr, kind: KeyKind | None = None) -> None:
        super().__init__(api_key)
        if not re.fullmatch(r"[0-9A-Za-z-]+", customer_id):
            raise ConfigurationError("Zentitle's customer id is a number, as in 1234.")
        self.customer_id = customer_id
        self.kind = kind

    def credentials(self) -> str:
        """Return the customer's id and the key."""
        return f"{self.customer_id}:{super().credentials()}"

    def permit(self, operation: Operation[..., Any]) -> None:
        """Raise `NotAllowed` by Zentitle's table of keys and calls."""
        if self.kind is not None and not _key_allows(self.kind, operation):
            raise operation.error(NotAllowed, None, f"a {self.kind} key does not open it, so it was not sent")


def _key_allows(kind: KeyKind, operation: Operation[..., Any]) -> bool:
    streams = operation.path == "/api/DataStreamer"
    return {
        "read-write": not streams,
        "read-only": operation.verb == "GET" and not streams,
        "offline": operation.path == "/api/OfflineActivation",
        "ds": streams,
    }[kind]


def _answers(operation: Operation[..., Any], kind: type) -> bool:
    return isinstance(operation.answer, type) and issubclass(operation.answer, kind)


def _error_text(response: httpx.Response) -> str:
    """Return the vendor's text about a failure: a text, or the `Message` of an object."""
    value = loose_json(response)
    if isinstance(value, Mapping):
        value = next((part for name, part in value.items() if name.lower() == "message"), None)
    return str(value) if isinstance(value, str) and value else start_of(response)


# What writes answer -----------------------------------------------------------------------------------------


def _read_confirmation(operation: Operation[..., Any], response: httpx.Response, value: Any) -> Any:
    """Return a write's answer if it confirms the write."""
    if not isinstance(value, str) or not _SUCCESS.fullmatch(" ".join(value.split())):
        refusal = isinstance(value, str) and operation.confirmation and not _MAYBE_SUCCESS.search(value)
        raise operation.error(Refused if refusal else UnexpectedAnswer, response, _error_text(response))
    return _codes(operation, response, value) if operation.answer == list[str] else value


def _codes(operation: Operation[..., Any], response: httpx.Response, text: str) -> list[str]:
    """Return the codes in a text, after its colon if it has one; `OK` answers an import and holds none."""
    if text.strip().upper() == "OK":
        return []
    codes = [code.strip() for code in text.rpartition(":")[2].split(",")]
    if not all(re.fullmatch(r"[\w-]+", code) for code in codes):
        raise operation.error(UnexpectedAnswer, response, "it names codes that cannot be read")
    return codes


# What reads answer ------------------------------------------------------------------------------------------


def _read(operation: Operation[..., Any], response: httpx.Response, value: Any) -> Any:
    """Return a text, yes or no, a count, codes, records or one record; an error's text may be in their place."""
    if operation.answer is str:
        return value or None
    if operation.answer is bool:
        return _read_yes_or_no(operation, response, value)
    if operation.answer == list[str]:
        return _read_codes(operation, response, value)
    if _answers(operation, CountedPage):
        return _read_page(operation, response, value)
    rows = _rows(operation, response, value)
    return rows if get_origin(operation.answer) is list else _single(operation, response, rows)


def _rows(operation: Operation[..., Any], response: httpx.Response, value: Any) -> Any:
    """Return the records, of which a single one may come without a list; a text in their place is an error."""
    if isinstance(value, str) and value.strip():
        raise operation.error(NotFound if _MISSING.search(value) else Refused, response, value)
    return [value] if isinstance(value, Mapping) else value or []


def _single(operation: Operation[..., Any], response: httpx.Response, rows: Any) -> Any:
    if not isinstance(rows, list):
        return rows
    if len(rows) > 1:
        raise operation.error(UnexpectedAnswer, response, f"{len(rows)} of them; name the product")
    if not rows:
        raise operation.error(NotFound, response, "an empty answer")
    return rows[0]


def _read_page(operation: Operation[..., Any], response: httpx.Response, value: Any) -> dict[str, Any]:
    """Return the rows of a page; for page 0 their number, which may come as text."""
    number = int(value) if isinstance(value, str) and _NUMBER.fullmatch(value.strip()) else value
    if isinstance(number, int) and not isinstance(number, bool):
        return {"Total": number}
    return {"Results": _rows(operation, response, value)}


def _read_codes(operation: Operation[..., Any], response: httpx.Response, value: Any) -> Any:
    """Return the codes in any form of list: texts, numbers, records, or a text with commas."""
    if isinstance(value, str) and (_NUMBERS.fullmatch(value) or _MAYBE_SUCCESS.search(value)):
        return _codes(operation, response, value)
    rows = _rows(operation, response, value)
    return [_code(row) for row in rows] if isinstance(rows, list) else [_code(rows)]


def _code(row: Any) -> Any:
    if isinstance(row, Mapping):
        row = next((part for name, part in row.items() if name.lower() == "licensecode"), None)
    is_number = isinstance(row, int) and not isinstance(row, bool) and 0 < row < _MAX_CODE
    return str(row) if is_number else row


def _read_yes_or_no(operation: Operation[..., Any], response: httpx.Response, value: Any) -> Any:
    """Return True or False, also from a text; raise `UnexpectedAnswer` for anything else, never a yes."""
    if isinstance(value, str):
        text = " ".join(value.split())
        if _DENIED.search(text):
            return False
        if _ACCEPTED.search(text):
            return True
    if not isinstance(value, bool):
        raise operation.error(UnexpectedAnswer, response, _error_text(response))
    return value
