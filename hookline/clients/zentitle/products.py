"""Zentitle's models for products, with their features and fields, and for profiles."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from typing import Any, Literal

from pydantic import Field, model_validator

from hookline.clients.models import Answer, Input, IntOrNone, TextFlag
from hookline.clients.zentitle.models import (
    MAX_SUBSCRIPTION,
    CamelPageNumber,
    ChangedTerms,
    Count,
    DateOrReset,
    Day,
    Feature,
    LeaseHours,
    LicenseTerms,
    LicenseType,
    NonEmpty,
    OfflineLeaseDays,
    TermsAnswer,
    UdfContent,
    VmLeaseHours,
    ZeroOrOne,
    check_license_type,
    require_explicit,
)

# Products ---------------------------------------------------------------------------------------------------


class OneProduct(Input):
    """A product by its ten-digit id."""

    productid: NonEmpty


class NewGroupOfProduct(Input):
    """A group of features, made with its product."""

    featuregroupname: NonEmpty
    notes: str | None = None


class NewFeatureOfProduct(Input):
    """A feature, made with its product; only a normal one can be had in trials."""

    featurename: NonEmpty
    featurecode: NonEmpty
    notes: NonEmpty
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

    fieldname: NonEmpty
    defaultvalue: str | None = None


class NewProduct(Input):
    """A product; its id is not in the answer, but in that of `list_products`."""

    productname: NonEmpty
    intrial: TextFlag | None = None
    clientleaseperiod: LeaseHours = None
    clientofflineleaseperiod: OfflineLeaseDays = None
    vmleaseperiod: VmLeaseHours = None
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
    """A product to change; only the inputs given change."""

    productname: str | None = Field(default=None, min_length=1)
    clientleaseperiod: LeaseHours = None
    vmleaseperiod: VmLeaseHours = None
    clientofflineleaseperiod: OfflineLeaseDays = None
    trialperiod: int | None = Field(default=None, ge=0, description="Days.")
    clientsAllowed: Count = None
    licenseType: LicenseType | None = Field(
        default=None, description="Required to change type, period or end date."
    )
    subscriptionPeriod: int | None = Field(default=None, ge=0, le=MAX_SUBSCRIPTION, description="Days.")
    subscriptionEndDate: DateOrReset | None = None

    @model_validator(mode="after")
    def _type_beside_its_period(self) -> "ChangedProduct":
        check_license_type(self.licenseType, self.subscriptionPeriod, self.subscriptionEndDate)
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
    trialPeriod: IntOrNone = None
    clientsAllowed: IntOrNone = None
    clientLeasePeriod: IntOrNone = None
    vmLeasePeriod: IntOrNone = None
    clientOfflineLeasePeriod: IntOrNone = None
    features: list[ProductFeature] = []
    udfValues: list[UdfContent] = []


# Parts of a product -----------------------------------------------------------------------------------------


class PartOfProduct(Input):
    """A product by its id, in the spelling of the calls about its parts."""

    productId: NonEmpty


class NewFeatureGroup(Input):
    """A group of features."""

    featureGroupName: NonEmpty
    notes: str | None = None


class ChangedFeatureGroup(NewFeatureGroup):
    """A group of features to change, by its name."""

    newFeatureGroupName: str | None = Field(default=None, min_length=1)


class NewFeatureGroups(PartOfProduct):
    """Groups to add to a product."""

    featureGroups: list[NewFeatureGroup] = Field(min_length=1)


class ChangedFeatureGroups(PartOfProduct):
    """Groups of a product to change."""

    featureGroups: list[ChangedFeatureGroup] = Field(min_length=1)


class OneFeatureGroup(PartOfProduct):
    """A group by its name."""

    featureGroupName: NonEmpty


class NewFeature(Input):
    """A feature; only a normal one can be had in trials."""

    featureCode: NonEmpty
    featureName: NonEmpty
    notes: NonEmpty
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
    """A feature to change, by its code."""

    featureCode: NonEmpty
    availableInTrials: TextFlag = Field(description="Required: if it were left out, it would become false.")
    newfeatureCode: str | None = Field(default=None, min_length=1)
    featureName: str | None = None
    notes: str | None = None
    featureGroupName: str | None = Field(default=None, description="`default` is the default group.")

    @model_validator(mode="before")
    @classmethod
    def _trials_are_explicit(cls, raw: Any) -> Any:
        return require_explicit(
            raw,
            ("availableInTrials",),
            "without availableInTrials Zentitle takes the feature out of trials: "
            "set availableInTrials=True to have it there (normal features only), False if not",
        )


class NewFeatures(PartOfProduct):
    """Features to add to a product."""

    features: list[NewFeature] = Field(min_length=1)


class ChangedFeatures(PartOfProduct):
    """Features of a product to change."""

    features: list[ChangedFeature] = Field(min_length=1)


class OneFeature(PartOfProduct):
    """A feature by its code."""

    featureCode: NonEmpty


class NewUdf(Input):
    """A user-defined field."""

    fieldName: NonEmpty
    defaultValue: str | None = None


class ChangedUdf(NewUdf):
    """A user-defined field to change, by its name."""

    newFieldName: str | None = Field(default=None, min_length=1)


class NewUdfs(PartOfProduct):
    """User-defined fields to add to a product."""

    udfValues: list[NewUdf] = Field(min_length=1)


class ChangedUdfs(PartOfProduct):
    """User-defined fields of a product to change."""

    udfValues: list[ChangedUdf] = Field(min_length=1)


class OneUdf(PartOfProduct):
    """A user-defined field by its name."""

    fieldName: NonEmpty


def _check_trials(kind: str | None, *, in_trials: bool | None) -> None:
    if in_trials and kind not in (None, "normal"):
        raise ValueError("only a normal feature can be available in trials")


# Profiles ---------------------------------------------------------------------------------------------------


class OneProfile(Input):
    """A profile by its name."""

    productid: NonEmpty
    profilename: NonEmpty


class GetProfile(OneProfile):
    """A profile to read."""

    getsfs: ZeroOrOne | None = None


class ListProfiles(CamelPageNumber):
    """Filters of the profiles; without a product all are listed."""

    productId: str | None = None
    getSfs: ZeroOrOne | None = None


class NewProfile(OneProfile, LicenseTerms):
    """A new profile. Terms left out are off or 0: its codes are disabled and allow no client."""

    subscriptionenddate: Day | None = None
    maintenanceenddate: Day | None = None
    reseller: str | None = None


class ChangedProfile(OneProfile, ChangedTerms):
    """A profile to change; its codes change only with `inheritprofile`."""

    newprofilename: str | None = Field(default=None, min_length=1)
    reseller: str | None = None
    inheritprofile: TextFlag = Field(
        default=False, description="The terms of every licence code of the profile change too."
    )


class Profile(TermsAnswer):
    """A profile: the terms of the codes made with it."""

    productId: str = ""
    profileName: str
    profileID: IntOrNone = None
    resellerID: IntOrNone = None
