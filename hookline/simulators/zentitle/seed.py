"""
What the account of a small software firm holds before anybody calls: Draftline, a program for drawing plans.

The two products of the web shop, Pro and Team, have no codes yet; those sold by hand before have a history.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hookline.simulators.zentitle.activations import system_of
from hookline.simulators.zentitle.inputs import later, now
from hookline.simulators.zentitle.state import (
    GLOBAL,
    Activation,
    Assignment,
    Company,
    Group,
    Key,
    License,
    Note,
    Trial,
    User,
    consumer_row,
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

LEASED = Terms(clientleaseperiod=24, offline_hours=720)
LIMIT_OF_SITE = 25


def products() -> list[Product]:
    """Five products; a feature's number is its place in the product."""
    pro, team, desktop, server, viewer = (
        LEASED,
        replace(
            LEASED,
            licensetype="SubscriptionPeriod",
            clientsallowed=5,
            offline_hours=168,
            subscriptionperiod=365,
            concurrencymode="Cloud",
        ),
        replace(LEASED, clientsallowed=2),
        replace(LEASED, concurrencymode="Network", networkseats=5, heartbeat=15),
        replace(LEASED, licensetype="ExpirationDate", subscriptionenddate="2032-12-31T00:00:00"),
    )
    export = ("EXPORT", "Export", "DWG, DXF and PDF files")
    sync = ("CLOUDSYNC", "Cloud sync", "Drawings on every computer of a user")
    return [
        _product(PRO, "Draftline Pro", 30, pro, [(export, Switch(on=True)), (sync, Switch())], "Pro"),
        _product(
            TEAM,
            "Draftline Team",
            14,
            team,
            [
                (export, Switch(on=True)),
                (sync, Switch(on=True)),
                (("SEATS", "Seats", "Drawing at once", "Floating"), Switch(on=True, limit=5)),
            ],
            "Team",
        ),
        _product(
            DESKTOP,
            "Draftline Desktop 4",
            30,
            desktop,
            [
                (export, Switch(on=True)),
                (("PLUGINS", "Plug-ins", "Third-party plug-ins", "Normal", "Extensions"), Switch()),
                (
                    ("RENDER", "Rendering", "Images rendered in the cloud", "ConsumptionToken"),
                    Switch(limit=100),
                ),
            ],
            "Desktop",
        ),
        _product(
            SERVER,
            "Draftline Server",
            14,
            server,
            [
                (("SEATS", "Seats", "Drawing at once", "Floating"), Switch(on=True, limit=5)),
                (("STORE", "Drawing store", "Drawings kept", "ElementPool"), Switch(on=True, limit=1000)),
                (("VAULT", "Vault", "Keys of drawings", "SecureStore", "Extensions"), Switch()),
            ],
            "Server",
        ),
        _product(VIEWER, "Draftline Viewer", 30, viewer, [(export, Switch())], "Viewer"),
    ]


def _product(
    number: str,
    name: str,
    trial_days: int,
    terms: Terms,
    features: list[tuple[tuple[str, ...], Switch]],
    edition: str,
) -> Product:
    known = [Feature(place, *told) for place, (told, _) in enumerate(features, start=1)]
    switches = {place: switch for place, (_, switch) in enumerate(features, start=1)}
    groups = {DEFAULT_GROUP: ""} | {each.group: "" for each in known}
    terms = replace(terms, features=switches)
    return Product(number, name, trial_days, terms, known, [Udf(1, "EDITION", edition)], groups)


def profiles(of: dict[str, Product]) -> list[Profile]:
    """A profile for the shop's team licenses, and two for what schools and sites buy."""
    desktop, server = of[DESKTOP].terms, of[SERVER].terms
    education = replace(desktop, clientsallowed=30, udfs={1: "Education"}, checkout_days=20)
    seats = {**server.features, 1: Switch(on=True, limit=LIMIT_OF_SITE)}
    site = replace(server, features=seats, networkseats=LIMIT_OF_SITE, maintenanceenddate=_day(200))
    return [
        _profile(TEAM_NUMBER, TEAM, TEAM_PROFILE, of[TEAM].terms, 400),
        _profile(EDUCATION, DESKTOP, "Education", education, 900),
        _profile(SITE, SERVER, "Site", site, 700, RESELLERS["Northgate Software"]),
    ]


def _profile(number: int, product: str, name: str, terms: Terms, days_ago: int, reseller: int = 0) -> Profile:
    created = now(days=-days_ago)
    return Profile(number, product, name, terms, created, created, reseller)


def companies() -> list[Company]:
    """Four customers of before the web shop; two are known to all products."""
    northgate = RESELLERS["Northgate Software"]
    return [
        _company(STUDIO, GLOBAL, "Harrow & Pike Architects", "Morag", "Hale", "2001", 0),
        _company(SURVEYORS, DESKTOP, "Castellan Surveying", "Dov", "Reyes", "2002", 0),
        _company(COLLEGE, GLOBAL, "Tidewater College", "Anneke", "Brandt", "2003", northgate),
        _company(JOINERS, SERVER, "Fen Lane Joinery", "Owen", "Prosser", "2004", 0),
    ]


def _company(
    number: int, product: str, name: str, first: str, last: str, account: str, reseller: int
) -> Company:
    data = {"firstname": first, "lastname": last, "email": _email(first, name), "country": "United Kingdom"}
    return Company(number, product, name, data, [account, "", ""], reseller, now(days=-1000 + number))


def licenses(of: dict[str, Product], known: dict[int, Profile]) -> list[License]:
    """Codes in use, returned, taken, refunded, lapsed, and two that nobody has."""
    desktop, server, viewer = of[DESKTOP].terms, of[SERVER].terms, of[VIEWER].terms
    education, site = known[EDUCATION].terms, known[SITE].terms
    rendering = {**desktop.features, 3: Switch(on=True, limit=100)}
    lapsed = replace(server, licensetype="ExpirationDate", subscriptionenddate=_day(-40))
    return [
        _license(
            DESKTOP,
            STUDIO_CODE,
            replace(desktop, features=rendering),
            company=STUDIO,
            days_ago=500,
            activity=[
                _activation(STUDIO_OLD_PC, 480, returned=120),
                _activation(STUDIO_PC, 119, username="morag.hale", uses={3: 20}),
            ],
        ),
        _license(
            DESKTOP,
            EDUCATION_CODE,
            education,
            company=COLLEGE,
            profile=EDUCATION,
            days_ago=300,
            activity=[_activation(COLLEGE_PC, 290)],
            notes=[Note(101, "General", "Renewal agreed until the end of term", now(days=-30), "s.ode")],
        ),
        *(_license(DESKTOP, code, desktop, days_ago=60) for code in UNUSED_CODES),
        _license(DESKTOP, TAKEN_CODE, replace(desktop, acquired=True), days_ago=60),
        _license(
            DESKTOP,
            REFUNDED_CODE,
            replace(desktop, enabled=False),
            company=SURVEYORS,
            days_ago=90,
            notes=[Note(102, "System", "Refunded", now(days=-80))],
        ),
        _license(
            SERVER,
            SITE_CODE,
            site,
            company=STUDIO,
            profile=SITE,
            days_ago=350,
            activity=[_activation(STUDIO_SERVER, 349, uses={1: 7, 2: 412})],
        ),
        _license(SERVER, LAPSED_CODE, lapsed, company=JOINERS, days_ago=405),
        _license(VIEWER, VIEWER_CODE, viewer, days_ago=20, activity=[_activation(VIEWER_PC, 20)]),
    ]


def _license(
    product: str,
    code: str,
    terms: Terms,
    *,
    days_ago: int,
    company: int = 0,
    profile: int = 0,
    activity: Iterable[Activation] = (),
    notes: Iterable[Note] = (),
) -> License:
    created = now(days=-days_ago)
    return License(
        code,
        product,
        company,
        profile,
        "",
        terms,
        created,
        created,
        notes={each.note: each for each in notes},
        activity=list(activity),
    )


def _activation(
    computer: str,
    days_ago: int,
    *,
    returned: int = 0,
    username: str = "",
    uses: dict[int, int] | None = None,
) -> Activation:
    started = now(days=-days_ago)
    found = Activation(computer, started, system_of(computer), later(started, hours=24), username=username)
    found.uses = uses or {}
    if returned:
        found.deactivated = now(days=-returned)
    return found


def consumers() -> list[dict[str, Any]]:
    """What the program asked those who activated it, and one who only tries it."""
    told: tuple[tuple[str, str, str, str, str, str, int], ...] = (
        (DESKTOP, STUDIO_OLD_PC, STUDIO_CODE, "Morag", "Hale", "Harrow & Pike Architects", 480),
        (DESKTOP, STUDIO_PC, STUDIO_CODE, "Morag", "Hale", "Harrow & Pike Architects", 119),
        (DESKTOP, COLLEGE_PC, EDUCATION_CODE, "Anneke", "Brandt", "Tidewater College", 290),
        (SERVER, STUDIO_SERVER, SITE_CODE, "Peter", "Osei", "Harrow & Pike Architects", 349),
        (VIEWER, VIEWER_PC, "", "Ines", "Calder", "Calder Design", 25),
        (VIEWER, VIEWER_PC, VIEWER_CODE, "Ines", "Calder", "Calder Design", 20),
    )
    return [
        consumer_row(
            product,
            computer,
            code,
            {"firstname": first, "lastname": last, "company": company, "email": _email(first, company)},
            now(days=-days_ago),
        )
        for product, computer, code, first, last, company, days_ago in told
    ]


def trials() -> list[Trial]:
    """Trials that run, end soon, have ended, and became a license."""
    return [
        new_trial(VIEWER, VIEWER_PC, 30, now(days=-25), VIEWER_CODE),
        new_trial(VIEWER, "BLX4RrZJ5T9imK7qPrJS", 30, now(days=-3)),
        new_trial(VIEWER, "w7Zk+2mQv5Rt8LsN1xHy", 30, now(days=-75)),
        new_trial(DESKTOP, STUDIO_OLD_PC, 30, now(days=-490), STUDIO_CODE),
        new_trial(SERVER, "aJ3/9fTnC6uW0qEoD2gK", 14, now(days=-12)),
        new_trial(SERVER, "V8bX1iPz4rMh7SyUe5cG", 14, now(days=-200)),
    ]


def groups() -> list[Group]:
    """A master group of one company, and the group of a branch of it."""
    since = now(days=-340)
    return [
        Group(STUDIO_GROUP, "Master", "Harrow & Pike", "All offices", 0, STUDIO, since, since),
        Group(LEEDS_GROUP, "Standard", "Harrow & Pike Leeds", "", STUDIO_GROUP, STUDIO, since, since),
    ]


def users() -> list[User]:
    """Three people, one of whom manages the others; all have the same password."""
    return [
        _user(7, STUDIO_GROUP, "morag.hale", "Morag", "Hale", '{"EUPMaster":"true"}'),
        _user(8, STUDIO_GROUP, "peter.osei", "Peter", "Osei", "{}"),
        _user(9, LEEDS_GROUP, "june.lund", "June", "Lund", '{"desk":"2.14"}'),
    ]


def _user(number: int, group: int, name: str, first: str, last: str, more: str) -> User:
    since, email = now(days=-330), _email(first, "Harrow & Pike Architects")
    telephone = f"+44 113 555 01{number:02}"
    return User(number, group, name, USER_PASSWORD, first, last, email, telephone, more, since, since)


def assignments() -> dict[Key, Assignment]:
    """The codes of the groups."""
    return {
        (SERVER, SITE_CODE): Assignment(STUDIO_GROUP, now(days=-335)),
        (DESKTOP, STUDIO_CODE): Assignment(LEEDS_GROUP, now(days=-110)),
    }


def _email(first: str, company: str) -> str:
    domain = "".join(letter for letter in company.lower() if letter.isalpha())
    return f"{first.lower()}@{domain}.example"


def _day(days: int) -> str:
    """Midnight of a day so far from now."""
    return now(days=days)[:10] + "T00:00:00"
