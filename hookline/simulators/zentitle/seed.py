"""
Zentitle's seed data, the account of a small software firm: Draftline, a program for drawing plans.

The two products of the web shop, Pro and Team, have no codes yet; those sold by hand before have a history.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from hookline.simulators.records import Document, Kind
from hookline.simulators.zentitle.activations import system_of
from hookline.simulators.zentitle.inputs import later, now
from hookline.simulators.zentitle.state import (
    GLOBAL,
    Activation,
    Company,
    Key,
    License,
    consumer_row,
    new_note,
)
from hookline.simulators.zentitle.terms import DEFAULT_GROUP, Feature, Product, Profile, Switch, Terms, Udf
from hookline.simulators.zentitle.trials import new_trial

PRO = "6453300110"
TEAM = "6872450105"
DESKTOP = "3659410102"
SERVER = "6503310104"
VIEWER = "3117410103"

TEAM_PROFILE = "Team"
RESELLERS = {"Northgate Software": 3, "Plans and Papers Online": 4}
USER_PASSWORD = "sandbox-user-password"  # noqa: S105  (opens nothing but the sandbox)

STUDIO, SURVEYORS, COLLEGE, JOINERS = 2, 3, 5, 6
STUDIO_GROUP, LEEDS_GROUP = 9, 10
TEAM_NUMBER, EDUCATION, SITE = 12, 13, 14

STUDIO_PC, STUDIO_OLD_PC = "kQe0MRH1+bYgemkYW2bc", "P5oSK0sA6aH1lCp/STgV"
STUDIO_SERVER, COLLEGE_PC, VIEWER_PC = "oLh3T3o8A39g5Sz5+Ug8", "YtUAc6Xx7auMoc4t7H4z", "MauY6w89/Gh34567890w"

STUDIO_CODE, EDUCATION_CODE, SITE_CODE = "286450110220930851", "286450110220930852", "312450225741720701"
VIEWER_CODE, UNUSED_CODES = "274865102015706621", ("286450110220930853", "286450110220930854")
TAKEN_CODE, REFUNDED_CODE, LAPSED_CODE = "286450110220930855", "286450110220930856", "312450225741720702"

ARCHITECTS = "Harrow & Pike Architects"
LIMIT_OF_SITE = 25

LEASED = Terms(clientleaseperiod=24, offline_hours=720)
CLOUD = replace(LEASED, licensetype="SubscriptionPeriod", clientsallowed=5, offline_hours=168)
DATED = replace(LEASED, licensetype="ExpirationDate", subscriptionenddate="2032-12-31T00:00:00")
ON, OFF, FIVE = Switch(on=True), Switch(), Switch(on=True, limit=5)

EXPORT = ("EXPORT", "Export", "DWG, DXF and PDF files")
SYNC = ("CLOUDSYNC", "Cloud sync", "Drawings on every computer of a user")
SEATS = ("SEATS", "Seats", "Drawing at once", "Floating")
PLUGINS = ("PLUGINS", "Plug-ins", "Third-party plug-ins", "Normal", "Extensions")
RENDER = ("RENDER", "Rendering", "Images rendered in the cloud", "ConsumptionToken")
STORE = ("STORE", "Drawing store", "Drawings kept", "ElementPool")
VAULT = ("VAULT", "Vault", "Keys of drawings", "SecureStore", "Extensions")

# fmt: off
Features = tuple[tuple[tuple[str, ...], Switch], ...]
PRODUCTS: tuple[tuple[str, str, int, Terms, Features], ...] = (
    (PRO, "Pro", 30, LEASED, ((EXPORT, ON), (SYNC, OFF))),
    (TEAM, "Team", 14, replace(CLOUD, subscriptionperiod=365, concurrencymode="Cloud"),
        ((EXPORT, ON), (SYNC, ON), (SEATS, FIVE))),
    (DESKTOP, "Desktop", 30, replace(LEASED, clientsallowed=2),
        ((EXPORT, ON), (PLUGINS, OFF), (RENDER, Switch(limit=100)))),
    (SERVER, "Server", 14, replace(LEASED, concurrencymode="Network", networkseats=5, heartbeat=15),
        ((SEATS, FIVE), (STORE, Switch(on=True, limit=1000)), (VAULT, OFF))),
    (VIEWER, "Viewer", 30, DATED, ((EXPORT, OFF),)),
)
# Four customers of before the web shop; two are known to all products
COMPANIES = (
    (STUDIO, GLOBAL, ARCHITECTS, "Morag", "Hale", "2001", 0),
    (SURVEYORS, DESKTOP, "Castellan Surveying", "Dov", "Reyes", "2002", 0),
    (COLLEGE, GLOBAL, "Tidewater College", "Anneke", "Brandt", "2003", RESELLERS["Northgate Software"]),
    (JOINERS, SERVER, "Fen Lane Joinery", "Owen", "Prosser", "2004", 0),
)
# The answers of those who activated the program, and of one who only tries it; days ago
CONSUMERS = (
    (DESKTOP, STUDIO_OLD_PC, STUDIO_CODE, "Morag", "Hale", ARCHITECTS, 480),
    (DESKTOP, STUDIO_PC, STUDIO_CODE, "Morag", "Hale", ARCHITECTS, 119),
    (DESKTOP, COLLEGE_PC, EDUCATION_CODE, "Anneke", "Brandt", "Tidewater College", 290),
    (SERVER, STUDIO_SERVER, SITE_CODE, "Peter", "Osei", ARCHITECTS, 349),
    (VIEWER, VIEWER_PC, "", "Ines", "Calder", "Calder Design", 25),
    (VIEWER, VIEWER_PC, VIEWER_CODE, "Ines", "Calder", "Calder Design", 20),
)
# Trials that run, end soon, have ended, and became a license; days ago
TRIALS = (
    (VIEWER, VIEWER_PC, 30, 25, VIEWER_CODE),
    (VIEWER, "BLX4RrZJ5T9imK7qPrJS", 30, 3, ""),
    (VIEWER, "w7Zk+2mQv5Rt8LsN1xHy", 30, 75, ""),
    (DESKTOP, STUDIO_OLD_PC, 30, 490, STUDIO_CODE),
    (SERVER, "aJ3/9fTnC6uW0qEoD2gK", 14, 12, ""),
    (SERVER, "V8bX1iPz4rMh7SyUe5cG", 14, 200, ""),
)
# A master group of one company, and the group of a branch of it
GROUP = Kind("group", "groupID type groupName description masterGroupID companyID")
GROUPS = (
    (STUDIO_GROUP, "Master", "Harrow & Pike", "All offices", 0, STUDIO),
    (LEEDS_GROUP, "Standard", "Harrow & Pike Leeds", "", STUDIO_GROUP, STUDIO),
)
# Three people, one of whom manages the others; all have the same password
USER = Kind("user", "groupUserID groupID firstName lastName additionalData")
USERS = (
    (7, STUDIO_GROUP, "Morag", "Hale", '{"EUPMaster":"true"}'),
    (8, STUDIO_GROUP, "Peter", "Osei", "{}"),
    (9, LEEDS_GROUP, "June", "Lund", '{"desk":"2.14"}'),
)
# fmt: on


def products() -> Iterator[Product]:
    """Build the products; a feature's number is its place in the product."""
    for number, edition, trial_days, terms, features in PRODUCTS:
        known = [Feature(place, *facts) for place, (facts, _) in enumerate(features, start=1)]
        switches = {place: switch for place, (_, switch) in enumerate(features, start=1)}
        groups = {DEFAULT_GROUP: ""} | {each.group: "" for each in known}
        name = "Draftline Desktop 4" if number == DESKTOP else f"Draftline {edition}"
        terms = replace(terms, features=switches)  # noqa: PLW2901
        yield Product(number, name, trial_days, terms, known, [Udf(1, "EDITION", edition)], groups)


def profiles(of: dict[str, Product]) -> Iterator[Profile]:
    """Build a profile for the shop's team licenses, and two for what schools and sites buy."""
    desktop, server = of[DESKTOP].terms, of[SERVER].terms
    education = replace(desktop, clientsallowed=30, udfs={1: "Education"}, checkout_days=20)
    seats = {**server.features, 1: Switch(on=True, limit=LIMIT_OF_SITE)}
    site = replace(server, features=seats, networkseats=LIMIT_OF_SITE, maintenanceenddate=_day(200))
    for number, product, name, terms, days_ago, reseller in (
        (TEAM_NUMBER, TEAM, TEAM_PROFILE, of[TEAM].terms, 400, 0),
        (EDUCATION, DESKTOP, "Education", education, 900, 0),
        (SITE, SERVER, "Site", site, 700, RESELLERS["Northgate Software"]),
    ):
        created = now(days=-days_ago)
        yield Profile(number, product, name, terms, created, created, reseller)


def companies() -> Iterator[Company]:
    """Build the companies."""
    for number, product, name, first, last, account, reseller in COMPANIES:
        data = _person(first, last, name) | {"country": "United Kingdom"}
        del data["company"]
        yield Company(number, product, name, data, [account, "", ""], reseller, now(days=-1000 + number))


def licenses(of: dict[str, Product], known: dict[int, Profile]) -> list[License]:
    """Build codes in use, returned, acquired, refunded, lapsed, and two that nobody has."""
    desktop, server, viewer = of[DESKTOP].terms, of[SERVER].terms, of[VIEWER].terms
    rendering = replace(desktop, features={**desktop.features, 3: Switch(on=True, limit=100)})
    lapsed = replace(server, licensetype="ExpirationDate", subscriptionenddate=_day(-40))
    renewal = new_note(101, "general", "Renewal agreed until the end of term", now(days=-30), "s.ode")
    refund = new_note(102, "system", "Refunded", now(days=-80))
    returned = _activation(STUDIO_OLD_PC, 480)
    returned.deactivated = now(days=-120)
    drawing = _activation(STUDIO_PC, 119, {3: 20})
    drawing.username = "morag.hale"
    serving = _activation(STUDIO_SERVER, 349, {1: 7, 2: 412})
    taught, viewed = _activation(COLLEGE_PC, 290), _activation(VIEWER_PC, 20)
    taken, refunded = replace(desktop, acquired=True), replace(desktop, enabled=False)
    # fmt: off
    return [
        _license(DESKTOP, STUDIO_CODE, rendering, 500, STUDIO, activity=[returned, drawing]),
        _license(DESKTOP, EDUCATION_CODE, known[EDUCATION].terms, 300, COLLEGE, EDUCATION, [taught], [renewal]),
        *(_license(DESKTOP, code, desktop, 60) for code in UNUSED_CODES),
        _license(DESKTOP, TAKEN_CODE, taken, 60),
        _license(DESKTOP, REFUNDED_CODE, refunded, 90, SURVEYORS, notes=[refund]),
        _license(SERVER, SITE_CODE, known[SITE].terms, 350, STUDIO, SITE, [serving]),
        _license(SERVER, LAPSED_CODE, lapsed, 405, JOINERS),
        _license(VIEWER, VIEWER_CODE, viewer, 20, activity=[viewed]),
    ]
    # fmt: on


def _license(
    product: str,
    code: str,
    terms: Terms,
    days_ago: int,
    company: int = 0,
    profile: int = 0,
    activity: Iterable[Activation] = (),
    notes: Iterable[Document] = (),
) -> License:
    created = now(days=-days_ago)
    by_number = {each["noteID"]: each for each in notes}
    return License(code, product, company, profile, "", terms, created, created, by_number, list(activity))


def _activation(computer: str, days_ago: int, uses: dict[int, int] | None = None) -> Activation:
    started = now(days=-days_ago)
    return Activation(computer, started, system_of(computer), later(started, hours=24), uses=uses or {})


def consumers() -> Iterator[Document]:
    """Build the consumer records."""
    for product, computer, code, first, last, company, days_ago in CONSUMERS:
        yield consumer_row(product, computer, code, _person(first, last, company), now(days=-days_ago))


def trials() -> Iterator[Document]:
    """Build the trials."""
    for product, computer, days, days_ago, code in TRIALS:
        yield new_trial(product, computer, days, now(days=-days_ago), code)


def groups() -> Iterator[Document]:
    """Build the groups."""
    since = now(days=-340)
    return (each | {"created": since, "modified": since} for each in GROUP.rows(*GROUPS))


def users() -> Iterator[Document]:
    """Build the users."""
    since = now(days=-330)
    for each in USER.rows(*USERS):
        first, last = each["firstName"], each["lastName"]
        yield each | {
            "userName": f"{first}.{last}".lower(),
            "password": USER_PASSWORD,
            "email": _person(first, last, ARCHITECTS)["email"],
            "telephone": f"+44 113 555 01{each['groupUserID']:02}",
            "created": since,
            "modified": since,
        }


def assignments() -> dict[Key, Document]:
    """Build the assignments of codes to groups."""
    return {
        (SERVER, SITE_CODE): {"groupID": STUDIO_GROUP, "created": now(days=-335)},
        (DESKTOP, STUDIO_CODE): {"groupID": LEEDS_GROUP, "created": now(days=-110)},
    }


def _person(first: str, last: str, company: str) -> dict[str, Any]:
    domain = "".join(letter for letter in company.lower() if letter.isalpha())
    email = f"{first.lower()}@{domain}.example"
    return {"firstname": first, "lastname": last, "company": company, "email": email}


def _day(days: int) -> str:
    """Return midnight of a day so far from now."""
    return now(days=days)[:10] + "T00:00:00"
