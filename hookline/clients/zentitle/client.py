"""The operations, keys and answers of Zentitle's (Nalpeiron's) Web API V1."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, Self, Unpack, get_origin

import httpx
from pydantic import SecretStr

from hookline.clients.answers import json_value, loose_json, start_of
from hookline.clients.auth import Exchange, HeaderKey
from hookline.clients.errors import (
    NotAllowed,
    NotFound,
    Refused,
    UnexpectedAnswer,
    UnknownSentence,
    kind_of,
)
from hookline.clients.models import CountedPage, NoInput
from hookline.clients.operation import Operation, delete, get, post, put
from hookline.clients.transport import Options, VendorClient
from hookline.clients.zentitle import customers, models, products
from hookline.clients.zentitle.sentences import DOCUMENTED, Sentences
from hookline.errors import ConfigurationError
from hookline.shipped.zentitle import ZentitleSettings

KeyKind = Literal["read-write", "read-only", "offline", "ds"]

_NUMBER = re.compile(r"\d{1,18}")
_NUMBERS = re.compile(r"\s*\d[\d,\s]*")
_ACCEPTED = re.compile(r"(?i)\b(ok|true|valid|authenticated|success(ful|fully)?)\b")
_DENIED = re.compile(
    r"(?i)\b(not|no|false|wrong|invalid|incorrect|denied|fail(s|ed|ure)?|un(known|successful\w*|auth\w+))\b|n't\b"
)

_LONG_NUMBER = re.compile(r"\d{5}")
_MAX_CODE = 10**30
_SENTENCES: Final = "zentitle.sentences"
"""Where a response holds the sentences of its account."""

_IF_ABSENT: Final = "if it says that there is none, add it to ZENTITLE_ABSENT_SENTENCES"
SETTINGS: Final = {"was done": "ZENTITLE_DONE_SENTENCES", "was refused": "ZENTITLE_REFUSED_SENTENCES"}


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
        "Read a page of licences, or count them on page 0.", repeat="safe")
    take_next_license_codes = get("/api/NextLicenseCode", models.TakeLicenseCodes, list[str],
        "Take unused licence codes, which are then never handed out again; a repeat takes others.",
        repeat="readback")
    list_activated_license_codes = get("/api/ActivatedLicenseCodes", models.OneComputer,
        list[models.ActivatedLicenseCode], "Read which licence codes are active on a computer.", repeat="safe")
    list_license_code_activity = get("/api/LicenseCodeActivity", models.ListActivity, list[models.Activity],
        "Read on which computers a licence code is or was active.", repeat="safe")
    return_license_code_activations = put("/api/LicenseCodeActivity", models.OneLicenseCode, str,
        "Return all activations of a licence code, on every computer.", repeat="safe")
    delete_license_code_activity = delete("/api/LicenseCodeActivity", models.DeletedActivity, str,
        "Delete the activity of a licence code on one computer, or, if confirmed, on all.", repeat="readback")
    create_passive_license = post("/api/PassiveLicense", models.NewPassiveLicense, models.Certificate,
        "Make a licence for a client that never comes online; a repeat may make another.", repeat="readback",
        confirmation="Passive License Created Successfully.")
    create_network_master_license = post("/api/NetworkMasterLicense", models.NewMasterLicense,
        models.MasterLicense, "Make the licence of a local network's daemon; a repeat may make another.",
        repeat="readback")

    # Notes of a licence
    list_license_notes = get("/api/LicenseNote", models.OneLicenseCode, list[models.LicenseNote],
        "Read the notes of a licence.", repeat="safe", shows="description")
    create_license_note = post("/api/LicenseNote", models.NewLicenseNote, str,
        "Add a note to a licence; a repeat adds another.", repeat="readback")
    update_license_note = put("/api/LicenseNote", models.ChangedLicenseNote, str,
        "Change a note of a licence.", repeat="safe")
    delete_license_note = delete("/api/LicenseNote", models.DeletedLicenseNote, str,
        "Delete a note of a licence, or, if confirmed, all its notes.", repeat="readback")

    # Products
    list_products = get("/api/Products", NoInput, list[products.Product],
        "Read every product.", repeat="safe")
    get_product = get("/api/Product", products.OneProduct, products.Product,
        "Read a product.", repeat="safe")
    create_product = post("/api/Product", products.NewProduct, str,
        "Create a product, whose id list_products shows; a repeat may create another.", repeat="readback")
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
        confirmation="Product Features Updated Successfully")
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
        "Create a profile; a second of the same name should be refused.", repeat="readback")
    update_profile = put("/api/Profile", products.ChangedProfile, str,
        "Change the given fields of a profile, and, if asked, of every licence code in it.", repeat="safe",
        confirmation="Profile Updated Successfully")
    list_profiles = get("/api/Profiles", products.ListProfiles, CountedPage[products.Profile],
        "Read a page of profiles, or count them on page 0.", repeat="safe")

    # End users, trials and computers
    list_consumer_data = get("/api/ConsumerData", customers.ListConsumerData,
        CountedPage[customers.ConsumerData], "Read a page of user records, or count them on page 0.",
        repeat="safe", shows="Results.licenseCode Results.clientInfo")
    create_consumer_data = post("/api/ConsumerData", customers.NewConsumerData, str,
        "Add a user record; a repeat adds another.", repeat="readback")
    get_trial = get("/api/Trial", customers.OnComputer, str,
        "Read the state of a trial as the vendor's text, such as `In Trial`.", repeat="safe")
    delete_trial = delete("/api/Trial", customers.OnComputer, str,
        "Reset a trial, so that it may begin again.", repeat="readback",
        confirmation="Trial Deleted Successfully")
    list_trials = get("/api/Trials", customers.ListTrials, CountedPage[customers.Trial],
        "Read a page of trials, or count them on page 0.", repeat="safe",
        shows="Results.computerId Results.expires Results.converted")
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
        "Create a company, whose id get_company_id finds; a repeat may create another.", repeat="readback")
    update_company = put("/api/Company", customers.ChangedCompany, str,
        "Change the given fields of a company.", repeat="safe")
    delete_company = delete("/api/Company", customers.DeletedCompany, str,
        "Delete a company.", repeat="readback")
    get_company_id = get("/api/CompanyID", customers.NamedCompany, customers.CompanyID,
        "Find a company's id by its exact name.", repeat="safe")
    list_companies_products = get("/api/CompaniesProducts", NoInput, list[customers.CompanyID],
        "Read the ids of all companies with their products.", repeat="safe",
        shows="company companyID")

    # Groups
    get_group = get("/api/Group", customers.OneGroup, customers.Group,
        "Read a group with its licence codes, users and subgroups.", repeat="safe")
    create_group = post("/api/Group", customers.NewGroup, str,
        "Create a group; a second of the same name should be refused.", repeat="readback")
    update_group = put("/api/Group", customers.ChangedGroup, str,
        "Change the given fields of a group.", repeat="safe")
    delete_group = delete("/api/Group", customers.OneGroup, str,
        "Delete a group.", repeat="readback")
    get_group_user = get("/api/GroupUser", customers.OneGroupUser, customers.GroupUser,
        "Read a user of a group.", repeat="safe")
    create_group_user = post("/api/GroupUser", customers.NewGroupUser, str,
        "Add a user to a group; a second of the same name should be refused.", repeat="readback")
    update_group_user = put("/api/GroupUser", customers.ChangedGroupUser, str,
        "Change the given fields of a user, and put it into the group named.", repeat="safe")
    delete_group_user = delete("/api/GroupUser", customers.DeletedGroupUser, str,
        "Delete a user of a group.", repeat="readback")
    update_group_user_password = put("/api/GroupUserPassword", customers.UserAndPassword, str,
        "Set the password of a user.", repeat="safe")
    get_group_license_code = get("/api/GroupLicenseCode", models.OneLicenseCode, customers.GroupLicenseCode,
        "Read which group a licence code is assigned to.", repeat="safe")
    assign_group_license_code = post("/api/GroupLicenseCode", customers.AssignedLicenseCode, str,
        "Assign a licence code to a group, and to the company and profile named.", repeat="readback")
    unassign_group_license_code = delete("/api/GroupLicenseCode", customers.UnassignedLicenseCode, str,
        "Take a licence code from a group.", repeat="readback")
    create_group_user_license = post("/api/GroupUserLicense", customers.NewGroupUserLicense, str,
        "Create a group with a user and assign a licence code to it; it may be done in part.",
        repeat="readback")
    authenticate_user = get("/api/AuthenticateUser", customers.UserAndPassword, bool,
        "Check whether a user's password is right.", repeat="safe")

    # Events
    create_datastreamer_event = post("/api/DataStreamer", customers.NewEvent, str,
        "Put an event of your own into the DataStream; a repeat adds another.", repeat="never")
    # fmt: on

    @classmethod
    def connect(cls, account: ZentitleSettings, **options: Unpack[Options]) -> Self:
        """Return a client of an account."""
        key = ZentitleKey(account.customer_id, account.api_key)
        sentences = Sentences.of(account.done_sentences, account.refused_sentences, account.absent_sentences)
        return cls(account.base_url, key, sentences=sentences, **options)

    def __init__(self, *args: Any, sentences: Sentences = DOCUMENTED, **options: Any) -> None:
        super().__init__(*args, **options)
        self.sentences = sentences

    async def _exchange(self, request: httpx.Request, exchange: Exchange) -> httpx.Response:
        response = await super()._exchange(request, exchange)
        response.extensions[_SENTENCES] = self.sentences
        return response

    @classmethod
    def decode(cls, operation: Operation[..., Any], response: httpx.Response) -> Any:
        """
        Return the JSON of a good answer.

        Zentitle puts the text of an error in the place of the answer. So a text in the place of a record is a
        refusal. A text after a write is what its sentence says, and where nobody knows it, the write may be done.
        """
        if not response.is_success:
            kind, text = kind_of(response.status_code), _error_text(response)
            if kind is Refused and operation.reads and _sentences(response).says_absent(text):
                kind = NotFound
            raise operation.error(kind, response, text)
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


def _lists(operation: Operation[..., Any]) -> bool:
    return operation.reads and (get_origin(operation.answer) is list or _answers(operation, CountedPage))


def _error_text(response: httpx.Response) -> str:
    """Return the vendor's text about a failure: a text, or the `Message` of an object."""
    value = loose_json(response)
    if isinstance(value, Mapping):
        value = next((part for name, part in value.items() if name.lower() == "message"), None)
    return str(value) if isinstance(value, str) and value else start_of(response)


def _sentences(response: httpx.Response) -> Sentences:
    known: Sentences = response.extensions.get(_SENTENCES, DOCUMENTED)
    return known


# What writes answer -----------------------------------------------------------------------------------------


def _read_confirmation(operation: Operation[..., Any], response: httpx.Response, value: Any) -> Any:
    """Return a write's answer if it says that the write was done."""
    if not isinstance(value, str) or not value.strip():
        raise operation.error(UnexpectedAnswer, response, _error_text(response))
    known = _sentences(response)
    if known.says_done(value):
        return _codes(operation, response, value) if operation.answer == list[str] else value
    if known.says_refused(value, is_documented=bool(operation.confirmation)):
        raise operation.error(Refused, response, value)
    raise operation.error(UnknownSentence, response, value, settings=SETTINGS)


def _codes(operation: Operation[..., Any], response: httpx.Response, text: str) -> list[str]:
    """Return the codes in a text, after its colon if it has one; `OK` and the account's own sentences may hold none."""
    may_hold_none = text.strip().upper() == "OK" or _sentences(response).is_own(text)
    if may_hold_none and not _LONG_NUMBER.search(text):
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
        if _lists(operation) and _sentences(response).says_empty(value):
            return []
        if _sentences(response).says_absent(value):
            raise operation.error(NotFound, response, value)
        raise operation.error(Refused, response, f"{value} ({_IF_ABSENT})")
    return [value] if isinstance(value, Mapping) else value or []


def _single(operation: Operation[..., Any], response: httpx.Response, rows: Any) -> Any:
    if not isinstance(rows, list):
        return rows
    if len(rows) > 1:
        raise operation.error(UnexpectedAnswer, response, f"{len(rows)} of them; name the product")
    if not rows or _is_nobody(operation, rows[0]):
        raise operation.error(NotFound, response, "an empty answer")
    return rows[0]


def _is_nobody(operation: Operation[..., Any], row: Any) -> bool:
    """Return True for a company without an id, or of the id 0, which stands for none."""
    if operation.answer is not customers.CompanyID or not isinstance(row, Mapping):
        return False
    number = next((value for name, value in row.items() if name.lower() == "companyid"), None)
    return str(number or "").strip() in ("", "0")


def _read_page(operation: Operation[..., Any], response: httpx.Response, value: Any) -> dict[str, Any]:
    """Return the rows of a page; for page 0 their number, which may come as text."""
    number = int(value) if isinstance(value, str) and _NUMBER.fullmatch(value.strip()) else value
    if isinstance(number, int) and not isinstance(number, bool):
        return {"Total": number}
    return {"Results": _rows(operation, response, value)}


def _read_codes(operation: Operation[..., Any], response: httpx.Response, value: Any) -> Any:
    """Return the codes in any form of list: texts, numbers, records, or a text with commas."""
    if isinstance(value, str) and (_NUMBERS.fullmatch(value) or _sentences(response).says_done(value)):
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
