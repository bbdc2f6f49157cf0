"""Zentitle's end users before and after they buy: trials, and what the licensed program asked them."""

from collections.abc import Callable
from typing import Any

from hookline.simulators.control import Call, control, control_order, operation
from hookline.simulators.faults import InvalidControlError
from hookline.simulators.zentitle.activations import named_computer, new_computer, system_of
from hookline.simulators.zentitle.inputs import (
    LONGEST_DAYS,
    Inputs,
    failure,
    inputs_of,
    later,
    now,
    page,
)
from hookline.simulators.zentitle.state import Account, Trial, consumer_row

IN_TRIAL = "In Trial"
TRIAL_DELETED = "Trial Deleted Successfully"
# The vendor tells that these messages exist and not how they read; they are assumed.
NO_TRIAL = "Trial does not exist"
EXPIRED = "Trial has expired"
CONVERTED = "Trial has been activated"
CONSUMER_CREATED = "Consumer Data Created Successfully"

BEFORE_ALL, AFTER_ALL = "", "9999"
"""Bounds for datetimes, which compare as text."""


class Trials(Account):
    """Trial, Trials and ConsumerData."""

    @operation("GET", "/api/Trial")
    def get_trial(self, call: Call) -> Any:
        """Where a trial stands, in words."""
        found = self._trial(inputs_of(call))
        if found is None:
            return NO_TRIAL
        if found.code:
            return CONVERTED
        return IN_TRIAL if found.running else EXPIRED

    @operation("DELETE", "/api/Trial")
    def delete_trial(self, call: Call) -> Any:
        """Forget a trial, so that another can begin; not one that became a license."""
        found = self._trial(inputs_of(call))
        if found is None:
            raise failure(NO_TRIAL)
        if found.code:
            raise failure(CONVERTED)
        del self._trials[found.product, found.computer]
        return TRIAL_DELETED

    @operation("GET", "/api/Trials")
    def list_trials(self, call: Call) -> Any:
        """A page of trials, or their number on page 0."""
        inputs = inputs_of(call)
        matches = _filter(inputs)
        return page(inputs, [each for each in self._trials.values() if matches(each)], trial_row)

    def _trial(self, inputs: Inputs) -> Trial | None:
        return self._trials.get((self._product(inputs).product, inputs.required("computerid")))

    @control("POST", "/_sandbox/trials")
    def _start_trial(self, call: Call) -> Any:
        """Begin a trial, now or some days ago, as the licensed program would."""
        computer, given = named_computer(call), control_order(call, "computerID", "productID", "daysAgo")
        days = given.get("daysAgo", 0)
        if not isinstance(days, int) or not 0 <= days <= LONGEST_DAYS:
            raise InvalidControlError(f"daysAgo: must be a whole number, 0 to {LONGEST_DAYS}")
        return trial_row(self.start_trial(str(given.get("productID")), computer, days_ago=days))

    def start_trial(self, product: str, computer: str = "", *, days_ago: int = 0) -> Trial:
        """
        Begin a trial of a product on a computer.

        Raises:
            InvalidControlError: there is no such product, it has no trial, or the computer has had its trial.
        """
        found = self._products.get(product)
        if found is None or not found.trial_days:
            raise InvalidControlError(f"productID: there is no product {product} to be tried")
        computer = computer or new_computer()
        if (product, computer) in self._trials:
            raise InvalidControlError(f"computerID: {computer} has had its trial of {product}")
        trial = new_trial(product, computer, found.trial_days, now(days=-days_ago))
        self._add_trial(trial)
        return trial

    # Consumer data

    @operation("GET", "/api/ConsumerData")
    def list_consumer_data(self, call: Call) -> Any:
        """A page of consumer records: the last of each computer, unless all are asked for."""
        inputs = inputs_of(call)
        product, computer = self._product(inputs).product, inputs.text("computerid")
        kind = inputs.word("type", "trials", "activations", "all", default="all")
        start = inputs.date("startdate") if "startdate" in inputs else BEFORE_ALL
        # A day without a time means the whole of it.
        end = AFTER_ALL
        if "enddate" in inputs:
            end = inputs.date("enddate").replace("T00:00:00", "T23:59:59.999")
        of_computer = self._of_computer.get((product, computer), [])
        rows = [
            row
            for row in (of_computer if computer else self._consumers[product])
            if kind in ("all", "activations" if row["licenseCode"] else "trials")
            and start <= row["created"] <= end
        ]
        if inputs.truth("justlast") is not False:
            rows = list({row["computerID"]: row for row in rows}.values())
        return page(inputs, rows, dict)

    @operation("POST", "/api/ConsumerData")
    def create_consumer_data(self, call: Call) -> Any:
        """Add a consumer record, another one each time."""
        inputs = inputs_of(call)
        product, computer = self._product(inputs).product, inputs.required("computerid")
        information, code = inputs.object("clientinfo"), inputs.text("licensecode")
        if code and (product, code) not in self._licenses:
            raise failure("License code does not exist")
        self._add_consumer(consumer_row(product, computer, code, information, now()))
        return CONSUMER_CREATED


def new_trial(product: str, computer: str, days: int, started: str, code: str = "") -> Trial:
    """A trial that began at a moment; with a code, one that became a license."""
    return Trial(
        product=product,
        computer=computer,
        days=days,
        created=started,
        modified=started,
        lease_ends=later(started, days=min(days, 1)),
        expires=later(started, days=days),
        system=system_of(computer),
        code=code,
    )


def trial_row(each: Trial) -> dict[str, Any]:
    """A trial as GET Trials shows it: the period is a string, and the status is not the filter's word."""
    return {
        "productId": each.product,
        "computerId": each.computer,
        "trialPeriod": str(each.days),
        "created": each.created,
        "modified": each.modified,
        "leaseEndDate": each.lease_ends,
        "expires": each.expires,
        "trialStatus": IN_TRIAL if each.running else "Trial Expired",
        "converted": "true" if each.code else "false",
        "licenseCode": each.code,
    }


def _filter(inputs: Inputs) -> Callable[[Trial], bool]:
    product, computer = inputs.text("productid"), inputs.text("computerid")
    status, converted = inputs.word("trialstatus", "intrial", "expired"), inputs.truth("converted")
    expires, created = _between(inputs, "expires"), _between(inputs, "created")
    if "expireswithindays" in inputs:
        days = inputs.whole("expireswithindays", high=LONGEST_DAYS)
        expires = _within(expires, now(), now(days=days))
    if "createdwithindays" in inputs:
        days = inputs.whole("createdwithindays", high=LONGEST_DAYS)
        created = _within(created, now(days=-days), AFTER_ALL)

    def matches(each: Trial) -> bool:
        return (
            product in ("", each.product)
            and computer in ("", each.computer)
            and expires[0] < each.expires < expires[1]
            and created[0] < each.created < created[1]
            and status in ("", "intrial" if each.running else "expired")
            and converted in (None, bool(each.code))
        )

    return matches


def _between(inputs: Inputs, what: str) -> tuple[str, str]:
    after, before = what + "after", what + "before"
    return (
        inputs.date(after) if after in inputs else BEFORE_ALL,
        inputs.date(before) if before in inputs else AFTER_ALL,
    )


def _within(bounds: tuple[str, str], start: str, end: str) -> tuple[str, str]:
    return max(bounds[0], start), min(bounds[1], end)
