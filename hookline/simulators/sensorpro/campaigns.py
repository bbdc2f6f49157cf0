"""Sensorpro's campaigns and mails, and the calls about them."""

import copy
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hookline.simulators.control import Call, RefusedError, control, control_order, folded, operation
from hookline.simulators.faults import InvalidControlError
from hookline.simulators.records import Document
from hookline.simulators.sensorpro.contacts import ContactRoutes, address_in, is_address
from hookline.simulators.sensorpro.core import bad_request, body_of, part_of, refused, whole

CAMPAIGN = "3f0c6a52-9d1e-4b7a-8c35-5e0f7a9b2d14"
"""Licenses."""
SUPPLY_CAMPAIGN = "8b1d4f70-2c6e-4a95-b3f8-6d20c97e5a41"
SURVEY_CAMPAIGN = "c52e90ab-7f34-4d18-9a60-1eb84d3f7c26"
LOAN_CAMPAIGN = "6d3b9f18-0a57-4c2e-b1d4-97e25c80fa36"
LOAN_DECLINED_CAMPAIGN = "f1a7c460-83be-4f0d-9b52-2ce60d91857b"
CREDIT_CAMPAIGN = "9f2b7c15-48d0-4e6a-b3c7-0a5d81e94f62"
RENEWAL_CAMPAIGN = "47c8e2d9-b613-4fa5-8e70-5d1b96f3a284"
RENEWED_CAMPAIGN = "e05d91a6-7c42-4b8f-9d13-82f6c4b70e59"
TRIAL_CAMPAIGN = "b3e81f57-6d20-4c94-8a1b-79f5c2d06e48"
OFFLINE_CAMPAIGN = "b7e40c29-61fa-4d83-9a15-08d2c6f3e791"
OFFLINE_DECLINED_CAMPAIGN = "5a9c1d72-e4b8-4f06-8d37-c29f60b184ae"

NO_BROADCAST = "BROADCAST_NOT_FOUND"
NO_CAMPAIGN = "CAMPAIGN_NOT_FOUND"
NO_DESIGN = "DESIGN_NOT_FOUND"
NO_SEGMENT = "SEGMENT_NOT_FOUND"
OPTED_OUT = "CONTACT_OPTED_OUT"

ACTIVE, SCHEDULED, SENT = "Active", "Scheduled", "Sent"
ACTS = ("open", "click", "bounce")


@dataclass(slots=True)
class Broadcast:
    """A mail of a campaign: stored, to be triggered for one contact after another, or sent to a segment."""

    name: str
    status: str = ACTIVE


@dataclass(slots=True)
class Campaign:
    """A campaign. It has two ids, and why a call takes one or the other, only the vendor knows."""

    camp_id: str
    number: int
    name: str
    links: tuple[str, ...]
    broadcasts: dict[int, Broadcast] = field(default_factory=dict)

    @property
    def ids(self) -> Document:
        """Both ids, as answers have them."""
        return {"CampId": self.camp_id, "CampaignId": self.number}


# fmt: off
CAMPAIGNS = (
    (CAMPAIGN, 51, "Licenses", "Your licenses", ("https://firm.example/download", "https://firm.example/help")),
    (SUPPLY_CAMPAIGN, 52, "Supply alert", "Supply alert", ("https://firm.example/supplies",)),
    (SURVEY_CAMPAIGN, 53, "Diagnostics survey", "Diagnostics survey", ("https://firm.example/survey",)),
    (LOAN_CAMPAIGN, 54, "License on loan", "Your license on loan", ("https://firm.example/download",)),
    (LOAN_DECLINED_CAMPAIGN, 55, "Loan declined", "Your license on loan", ("https://firm.example/account",)),
    (CREDIT_CAMPAIGN, 56, "Licenses credited", "Your credit note", ("https://firm.example/account",)),
    (RENEWAL_CAMPAIGN, 57, "Renewal reminder", "Your license ends soon", ("https://firm.example/renew",)),
    (RENEWED_CAMPAIGN, 58, "Renewed", "Your license was renewed", ("https://firm.example/account",)),
    (TRIAL_CAMPAIGN, 59, "Trial ends", "Your trial ends soon", ("https://firm.example/buy",)),
    (OFFLINE_CAMPAIGN, 65, "Offline activation", "Your certificate", ("https://firm.example/help",)),
    (OFFLINE_DECLINED_CAMPAIGN, 66, "Offline declined", "Your request", ("https://firm.example/help",)),
)
# fmt: on
DESIGNS = frozenset((11, 12, 13))
SEGMENTS = {21: "Licensees", 22: "Print fleets", 23: "Garages"}
"""By id the tag that makes one a member."""


class CampaignRoutes(ContactRoutes):
    """The calls about mails and campaigns."""

    def seed(self) -> None:
        """Set up the campaigns, each with its stored broadcast."""
        super().seed()
        self._campaigns = [
            Campaign(camp_id, number, name, links, {1: Broadcast(broadcast)})
            for camp_id, number, name, broadcast, links in CAMPAIGNS
        ]

    def records(self) -> Document:
        """Return every broadcast besides."""
        broadcasts = [
            {"campaign": each.camp_id, "broadcast": number, "name": one.name, "status": one.status}
            for each in self._campaigns
            for number, one in each.broadcasts.items()
        ]
        return super().records() | {"broadcasts": broadcasts}

    # Mails to one

    @operation("POST", "/api/Campaign/TriggerEmail/{Token}")
    def trigger_email(self, call: Call) -> Any:
        """Send a stored broadcast to one contact, each time it is asked."""
        body = body_of(call)
        campaign, number, _ = self._broadcast(body)
        address = address_in(body.get("contactdata"))
        contact = self.contact(address)
        if contact and contact["OptOut"]:
            if self.dialect["opted-out-mail"] == "refused":
                raise refused(OPTED_OUT, "The contact takes no mails any more.")
            if self.dialect["opted-out-mail"] == "dropped":
                return {}
        parameters = body.get("namedpairsparameters") or {}
        self.do_at(
            _due(whole(body, "Delay", 0)),  # fact: delay-is-in-minutes
            lambda: self.mail(
                address, kind="triggered", campaign=campaign.camp_id, broadcast=number, parameters=parameters
            ),
        )
        return {}

    @operation("POST", "/api/Email/SendEmail/{Token}")
    def send_email(self, call: Call) -> Any:
        """Relay a mail given in full, to each of its recipients."""
        body = body_of(call)  # fact: relayed-to-everybody
        sender, recipients = part_of(body, "From").get("email"), _recipients(body)
        if not body.get("to") or not all(is_address(each) for each in (sender, *recipients)):
            raise bad_request("From and To need e-mail addresses.")
        due = _schedule(body)
        for recipient in recipients:
            self.do_at(due, lambda to=recipient: self._relay(to, body))  # type: ignore[misc]
        return {}

    def _relay(self, to: str, body: Document) -> None:
        self.mail(
            to,
            kind="relayed",
            subject=body.get("subject", ""),
            html=body.get("htmlmessageencoded", ""),
            text=body.get("plaintextmessage", ""),
            headers=body.get("headers") or {},
        )

    # Mails to many

    @operation("POST", "/api/Campaign/AddBroadcast/{Token}")
    def add_broadcast(self, call: Call) -> Any:
        """Send a design to everybody in a segment who has not opted out."""
        body = body_of(call)  # fact: broadcast-inputs
        campaign, due = self._campaign(body), _schedule(body)
        if whole(body, "DesignId") not in DESIGNS:
            raise refused(NO_DESIGN, "There is no such design.")
        tag = SEGMENTS.get(whole(body, "SegmentId"))
        if tag is None:
            raise refused(NO_SEGMENT, "There is no such segment.")
        number = max(campaign.broadcasts) + 1
        campaign.broadcasts[number] = Broadcast(str(body.get("name") or campaign.name), SCHEDULED)
        self.do_at(due, lambda: self._send(campaign, number, tag))
        return campaign.ids | {"BroadcastId": number}

    def _send(self, campaign: Campaign, number: int, tag: str) -> None:
        for contact in self.contacts(tag=tag):
            if not contact["OptOut"]:
                self.mail(
                    contact["PersonalEMail"], kind="broadcast", campaign=campaign.camp_id, broadcast=number
                )
        campaign.broadcasts[number].status = SENT

    @operation("POST", "/api/Campaign/GetBroadcastStatus/{Token}")
    def get_broadcast_status(self, call: Call) -> Any:
        """Answer the number of a broadcast's mails; to whom, the vendor does not say."""
        campaign, number, broadcast = self._broadcast(body_of(call))  # fact: broadcast-status
        return campaign.ids | {
            "BroadcastId": number,
            "Name": broadcast.name,
            "Status": broadcast.status,
            "TotalSent": self.figure(len(self._mails_of(campaign, number))),
        }

    # Results

    @operation("POST", "/api/Campaign/GetCampaignResults/{Token}")
    def get_campaign_results(self, call: Call) -> Any:
        """Answer the results of a campaign's mails."""
        campaign = self._campaign(body_of(call))  # fact: campaign-results
        mails = self._mails_of(campaign)
        to = {mail["to"].lower() for mail in mails}
        bounces = sum(bool(mail.get("bounced")) for mail in mails)
        figures = {
            "TotalSent": len(mails),
            "TotalDelivered": len(mails) - bounces,
            "TotalOpens": sum(mail.get("opened", 0) for mail in mails),
            "UniqueOpens": sum("opened" in mail for mail in mails),
            "TotalClicks": sum(len(mail.get("clicked", ())) for mail in mails),
            "UniqueClicks": sum("clicked" in mail for mail in mails),
            "TotalBounces": bounces,
            "TotalOptOuts": sum(
                each["OptOut"] and each["PersonalEMail"].lower() in to for each in self.contacts()
            ),
        }
        written = {name: self.figure(number) for name, number in figures.items()}
        return campaign.ids | {"Name": campaign.name} | written

    @operation("POST", "/api/Campaign/GetCampaignResultsLinks/{Token}")
    def get_campaign_result_links(self, call: Call) -> Any:
        """Answer the clicks on each link of a campaign."""
        campaign = self._campaign(body_of(call))
        clicks = [mail.get("clicked", ()) for mail in self._mails_of(campaign)]
        links = [
            {
                "Url": url,
                "TotalClicks": self.figure(sum(each.count(url) for each in clicks)),
                "UniqueClicks": self.figure(sum(url in each for each in clicks)),
            }
            for url in campaign.links
        ]
        return campaign.ids | {"Links": links}

    def _mails_of(self, campaign: Campaign, number: int | None = None) -> list[Document]:
        return [
            mail
            for mail in self._mails
            if mail["campaign"] == campaign.camp_id and number in (None, mail["broadcast"])
        ]

    def _campaign(self, body: Document) -> Campaign:
        """Return the campaign that a body names, by either of its ids."""
        camp_id, number = str(body.get("campid", "")).lower(), str(body.get("campaignid", ""))
        for each in self._campaigns:
            if camp_id == each.camp_id or (not camp_id and number == str(each.number)):
                return each
        raise refused(NO_CAMPAIGN, "There is no such campaign.")

    def _broadcast(self, body: Document) -> tuple[Campaign, int, Broadcast]:
        """Return the broadcast that a body names."""
        try:
            campaign, number = self._campaign(body), whole(body, "BroadcastId")
            return campaign, number, campaign.broadcasts[number]
        except (RefusedError, KeyError):
            raise refused(NO_BROADCAST, "There is no such campaign or broadcast.") from None

    # An order to the simulator itself

    @control("POST", "/_sandbox/mails/{Mail}/{Deed}")
    def _react(self, call: Call) -> Any:
        mail, url = call.path["Mail"], control_order(call, "url").get("url", "")
        if not mail.isdecimal():
            raise InvalidControlError("Mail: must be the id of a mail")
        return self.react(int(mail), call.path["Deed"], url)

    def react(self, mail: int, act: str, url: str = "") -> Document:
        """
        Let a recipient open a mail or click a link in it, or let it come back: `open`, `click` or `bounce`.

        Raises:
            InvalidControlError: there is no such mail, or nobody can do that with it.
        """
        if not 1 <= mail <= len(self._mails):
            raise InvalidControlError(f"Mail: there is no mail {mail}")
        row = self._mails[mail - 1]
        links = next((each.links for each in self._campaigns if each.camp_id == row["campaign"]), ())
        if act not in ACTS:
            raise InvalidControlError(f"Deed: must be one of {', '.join(ACTS)}")
        if act == "click" and url not in links:
            raise InvalidControlError("url: is not in the mail")
        if act == "bounce":
            row["bounced"] = True
        else:
            # Nobody clicks in a mail that is not open.
            row["opened"] = row.get("opened", 0) + 1
            if act == "click":
                row["clicked"] = [*row.get("clicked", ()), url]
        return copy.deepcopy(row)


def _recipients(body: Document) -> list[Any]:
    """Return the addresses of a mail's recipients, or the values in their place."""
    named = [each for name in ("to", "cc", "bcc") for each in _listed(body.get(name))]
    return [folded(each).get("email") if isinstance(each, dict) else None for each in named]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _schedule(body: Document) -> float:
    """Return the time at which a mail is due, on the monotonic clock; now if there is no schedule."""
    schedule = part_of(body, "Schedule")
    until = schedule.get("delayuntilutc")
    if not until:
        return _due(whole(schedule, "DelayByMinutes", 0))
    try:
        moment = datetime.fromisoformat(until)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        raise bad_request("DelayUntilUTC must be a time.") from None
    return time.monotonic() + (moment - datetime.now(UTC)).total_seconds()


def _due(minutes: int) -> float:
    return time.monotonic() + 60 * minutes
