"""
A stand-in for Sensorpro.

Errors are in the body of a 200 answer, the token is the last segment of each path, and a mail cannot be
looked for once it is sent. Facts and how far they are known: hookline/clients/sensorpro/facts.yaml. Each subject's
calls are in a file of their own.
"""

from hookline.simulators.sensorpro.campaigns import (
    CAMPAIGN,
    SUPPLY_CAMPAIGN,
    SURVEY_CAMPAIGN,
    CampaignRoutes,
)
from hookline.simulators.sensorpro.imports import ImportRoutes

__all__ = ["CAMPAIGN", "SUPPLY_CAMPAIGN", "SURVEY_CAMPAIGN", "SensorproSimulator"]

PEOPLE = (
    ("Iris", "Baxter", "accounts@baxterlowe.example", "Licensees"),
    ("Samir", "Okafor", "it@okaforfreight.example", "Licensees"),
    ("Priya", "Nair", "orders@northgateprinting.example", "Print fleets"),
    ("Tom", "Castell", "office@harbourarchitects.example", "Print fleets"),
    ("Dana", "Whitlock", "workshop@millroadgarage.example", "Garages"),
    ("Ruben", "Asher", "service@elmstreetmotors.example", "Garages"),
    ("Greta", "Holm", "greta.holm@holmmotors.example", "Garages"),
)
NO_MAILS_FOR = "greta.holm@holmmotors.example"


class SensorproSimulator(CampaignRoutes, ImportRoutes):
    """Sensorpro: sign-in, contacts, its campaigns with a stored broadcast each, relay mail, imports."""

    def seed(self) -> None:
        """Set up the firm's contacts, one of whom opted out, and its campaigns; no mails, nobody signed in."""
        super().seed()
        for first, last, address, tag in PEOPLE:
            self.upsert({"PersonalEMail": address, "FirstName": first, "LastName": last}, [tag], {})
        self.known(NO_MAILS_FOR)["OptOut"] = True
