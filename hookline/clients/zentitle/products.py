"""Zentitle's products, with their features and fields, and the profiles of their licence codes."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from typing import Any, Literal

from pydantic import Field, model_validator

from hookline.clients.models import Answer, Flag, Input, Moment, TextFlag, Whole
from hookline.clients.zentitle.models import (
    LONGEST_LEASE,
    LONGEST_OFFLINE_LEASE,
    LONGEST_SUBSCRIPTION,
    LONGEST_VM_LEASE,
    CamelPageNumber,
    ChangedTerms,
    Day,
    Feature,
    Given,
    LicenseTerms,
    LicenseType,
    ServerFunction,
    UdfContent,
    When,
    ZeroOrOne,
    check_type,
    must_tell,
)

# Products ---------------------------------------------------------------------------------------------------


class OneProduct(Input):
    """A product by its ten-digit id."""

    productid: Given


class NewGroupOfProduct(Input):
    """A group of features, made with its product."""

    featuregroupname: Given
    notes: str | None = None


class NewFeatureOfProduct(Input):
    """A feature, made with its product; only a normal one can be had in trials."""

    featurename: Given
    featurecode: Given
    notes: Given
    featuretype: Literal["normal", "floating", "elementpool", "consumptiontokens", "securestore"] | None = (
        None
    )
    featuregroupname: str | None = None
    availableintrials: TextFlag | None = None

    @model_validator(mode="after")
    def _only_normal_in_trials(self) -> "NewFeatureOfProduct":
        _check_trials(self.featuretype, in_trials=self.availableintrials)
        return self


class NewUdfOfProduct(Input):
    """A user-defined field, made with its product."""

    fieldname: Given
    defaultvalue: str | None = None


class NewProduct(Input):
    """A product; its answer does not tell the id, `list_products` does."""

    productname: Given
    intrial: TextFlag | None = None
    clientleaseperiod: int | None = Field(default=None, ge=0, le=LONGEST_LEASE, description="Hours.")
    clientofflineleaseperiod: int | None = Field(
        default=None, ge=0, le=LONGEST_OFFLINE_LEASE, description="Days (hours in answers)."
    )
    vmleaseperiod: int | None = Field(
        default=None, ge=0, le=LONGEST_VM_LEASE, description="Hours; 0 is unlimited."
    )
    trialperiod: int | None = Field(default=None, ge=0, description="Days; 30 if left out and in trial.")
    licensetype: LicenseType | None = None
    clientsallowed: int | None = Field(default=None, ge=1, le=50_000)
    subscriptionperiod: int | None = Field(default=None, ge=0, description="Days.")
    subscriptionenddate: Day | None = None
    featuregroups: list[NewGroupOfProduct] | None = None
    features: list[NewFeatureOfProduct] | None = None
    udfvalues: list[NewUdfOfProduct] | None = None

    @model_validator(mode="after")
    def _end_of_its_type(self) -> "NewProduct":
        if self.licensetype == "expirationdate" and self.subscriptionenddate is None:
            raise ValueError("the type expirationdate needs its subscriptionenddate")
        return self


class ChangedProduct(OneProduct):
    """A product and what to change of it; what is not given stays as it is."""

    productname: str | None = Field(default=None, min_length=1)
    clientleaseperiod: int | None = Field(default=None, ge=0, le=LONGEST_LEASE, description="Hours.")
    vmleaseperiod: int | None = Field(
        default=None, ge=0, le=LONGEST_VM_LEASE, description="Hours; 0 is unlimited."
    )
    clientofflineleaseperiod: int | None = Field(
        default=None, ge=0, le=LONGEST_OFFLINE_LEASE, description="Days (hours in answers)."
    )
    trialperiod: int | None = Field(default=None, ge=0, description="Days.")
    clientsAllowed: int | None = Field(default=None, ge=0)
    licenseType: LicenseType | None = Field(
        default=None, description="Needed to change type, period or end date."
    )
    subscriptionPeriod: int | None = Field(default=None, ge=0, le=LONGEST_SUBSCRIPTION, description="Days.")
    subscriptionEndDate: When | None = None

    @model_validator(mode="after")
    def _type_beside_its_period(self) -> "ChangedProduct":
        check_type(self.licenseType, self.subscriptionPeriod, self.subscriptionEndDate)
        return self


class ProductFeature(Feature):
    """A feature of a product."""

    featureName: str = ""
    featureNotes: str = ""
    featureGroup: str = ""


class Product(Answer):
    """A product and its defaults. Leases are hours, `clientOfflineLeasePeriod` too."""

    productId: str
    productName: str = ""
    licenseType: str = ""
    trialPeriod: Whole = None
    clientsAllowed: Whole = None
    clientLeasePeriod: Whole = None
    vmLeasePeriod: Whole = None
    clientOfflineLeasePeriod: Whole = None
    features: list[ProductFeature] = []
    udfValues: list[UdfContent] = []


# Parts of a product -----------------------------------------------------------------------------------------


class PartOfProduct(Input):
    """A product by its id, in the spelling of the calls about its parts."""

    productId: Given


class NewFeatureGroup(Input):
    """A group of features."""

    featureGroupName: Given
    notes: str | None = None


class ChangedFeatureGroup(NewFeatureGroup):
    """A group of features by its name, and what to change of it."""

    newFeatureGroupName: str | None = Field(default=None, min_length=1)


class NewFeatureGroups(PartOfProduct):
    """Groups to add to a product."""

    featureGroups: list[NewFeatureGroup] = Field(min_length=1)


class ChangedFeatureGroups(PartOfProduct):
    """Groups of a product to change."""

    featureGroups: list[ChangedFeatureGroup] = Field(min_length=1)


class OneFeatureGroup(PartOfProduct):
    """A group by its name."""

    featureGroupName: Given


class NewFeature(Input):
    """A feature; only a normal one can be had in trials."""

    featureCode: Given
    featureName: Given
    notes: Given
    featureType: Literal["normal", "floating", "elementPool", "consumptionTokens", "secureStore"] | None = (
        None
    )
    featureGroupName: str | None = None
    availableInTrials: TextFlag | None = None

    @model_validator(mode="after")
    def _only_normal_in_trials(self) -> "NewFeature":
        _check_trials(self.featureType, in_trials=self.availableInTrials)
        return self


class ChangedFeature(Input):
    """A feature by its code, and what to change of it."""

    featureCode: Given
    availableInTrials: TextFlag = Field(description="Needed: if it were left out, it would become false.")
    newfeatureCode: str | None = Field(default=None, min_length=1)
    featureName: str | None = None
    notes: str | None = None
    featureGroupName: str | None = Field(default=None, description="`default` is the default group.")

    @model_validator(mode="before")
    @classmethod
    def _trials_are_meant(cls, given: Any) -> Any:
        return must_tell(
            given,
            ("availableInTrials",),
            "without availableInTrials Zentitle takes the feature out of trials: "
            "say availableInTrials=True to have it there (normal features only), False if not",
        )


class NewFeatures(PartOfProduct):
    """Features to add to a product."""

    features: list[NewFeature] = Field(min_length=1)


class ChangedFeatures(PartOfProduct):
    """Features of a product to change."""

    features: list[ChangedFeature] = Field(min_length=1)


class OneFeature(PartOfProduct):
    """A feature by its code."""

    featureCode: Given


class NewUdf(Input):
    """A user-defined field."""

    fieldName: Given
    defaultValue: str | None = None


class ChangedUdf(NewUdf):
    """A user-defined field by its name, and what to change of it."""

    newFieldName: str | None = Field(default=None, min_length=1)


class NewUdfs(PartOfProduct):
    """User-defined fields to add to a product."""

    udfValues: list[NewUdf] = Field(min_length=1)


class ChangedUdfs(PartOfProduct):
    """User-defined fields of a product to change."""

    udfValues: list[ChangedUdf] = Field(min_length=1)


class OneUdf(PartOfProduct):
    """A user-defined field by its name."""

    fieldName: Given


def _check_trials(kind: str | None, *, in_trials: bool | None) -> None:
    if in_trials and kind not in (None, "normal"):
        raise ValueError("only a normal feature can be available in trials")


# Profiles ---------------------------------------------------------------------------------------------------


class OneProfile(Input):
    """A profile by its name."""

    productid: Given
    profilename: Given


class GetProfile(OneProfile):
    """A profile to read."""

    getsfs: ZeroOrOne | None = None


class ListProfiles(CamelPageNumber):
    """Whose profiles; those of all products if none is given."""

    productId: str | None = None
    getSfs: ZeroOrOne | None = None


class NewProfile(OneProfile, LicenseTerms):
    """A profile by a new name. What is left out is off or 0: its codes are disabled and allow no client."""

    subscriptionenddate: Day | None = None
    maintenanceenddate: Day | None = None
    reseller: str | None = None


class ChangedProfile(OneProfile, ChangedTerms):
    """A profile and what to change of it; its codes follow only where `inheritprofile` says so."""

    newprofilename: str | None = Field(default=None, min_length=1)
    reseller: str | None = None
    inheritprofile: TextFlag = Field(
        default=False, description="Every licence code of the profile takes over what it allows."
    )


class Profile(Answer):
    """A profile: what the codes made with it are allowed. Leases are hours."""

    productId: str = ""
    profileName: str
    profileID: Whole = None
    enabledforuse: Flag = False
    licensetype: str = ""
    clientsallowed: Whole = None
    clientLeaseperiod: Whole = None
    vmLeaseperiod: Whole = None
    clientOfflineLeaseperiod: Whole = None
    acquiredbywebservice: Flag = False
    networkseats: Whole = None
    heartbeat: Whole = None
    concurrentProcesses: Whole = None
    resellerID: Whole = None
    concurrencyMode: str = ""
    subscriptionperiod: Whole = None
    subscriptionEnddate: Moment = None
    maintenanceEnddate: Moment = None
    created: Moment = None
    modified: Moment = None
    features: list[Feature] = []
    udfValues: list[UdfContent] = []
    serverFunctions: list[ServerFunction] = []
