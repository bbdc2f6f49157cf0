"""Zentitle's end users before and after they buy: trials, and the answers to the licensed program's questions."""

from collections.abc import Callable
from typing import Any

from hookline.simulators.control import Call, control, control_order, operation
from hookline.simulators.faults import InvalidControlError, is_number
from hookline.simulators.records import Document
from hookline.simulators.zentitle.activations import named_computer
from hookline.simulators.zentitle.inputs import MAX_DAYS, Inputs, failure, inputs_of, later, now, page
from hookline.simulators.zentitle.state import Account, consumer_row

IN_TRIAL = "In Trial"
TRIAL_DELETED = "Trial Deleted Successfully"
NO_TRIAL = "Trial does not exist"  # fact: absence-sentences
EXPIRED = "Trial has expired"
CONVERTED = "Trial has been activated"
CONSUMER_CREATED = "Consumer Data Created Successfully"

BEFORE_ALL, AFTER_ALL = "", "9999"
"""Bounds for datetimes, which compare as text."""


class Trials(Account):
    """Trial, Trials and ConsumerData."""

    @operation("GET", "/api/Trial")
    def get_trial(self, call: Call) -> Any:
        """Answer the state of a trial, in words."""
        trial = self._trial(inputs_of(call))
        if trial is None:
            return NO_TRIAL
        if trial["licenseCode"]:
            return CONVERTED
        return IN_TRIAL if _running(trial) else EXPIRED

    @operation("DELETE", "/api/Trial")
    def delete_trial(self, call: Call) -> Any:
        """Delete a trial, so that another can begin; not one that became a license."""
        trial = self._trial(inputs_of(call))
        if trial is None:
            raise failure(NO_TRIAL)
        if trial["licenseCode"]:
            raise failure(CONVERTED)
        del self._trials[trial_key(trial)]
        return TRIAL_DELETED

    @operation("GET", "/api/Trials")
    def list_trials(self, call: Call) -> Any:
        """Answer a page of trials, or their number on page 0."""
        inputs = inputs_of(call)
        matches = _filter(inputs)
        return page(call, inputs, [each for each in self._trials.values() if matches(each)], trial_row)

    def _trial(self, inputs: Inputs) -> Document | None:
        return self._trials.get((self._product(inputs).product, inputs.required("computerid")))

    @control("POST", "/_sandbox/trials")
    def _start_trial(self, call: Call) -> Any:
        """Begin a trial of a product on a computer, now or some days ago, as the licensed program would."""
        order = control_order(call, "computerID", "productID", "daysAgo")
        computer, product, days = named_computer(order), str(order.get("productID")), order.get("daysAgo", 0)
        if not is_number(days, high=MAX_DAYS) or not isinstance(days, int):
            raise InvalidControlError(f"daysAgo: must be a whole number, 0 to {MAX_DAYS}")
        known = self._products.get(product)
        if known is None or not known.trial_days:
            raise InvalidControlError(f"productID: there is no product {product} to be tried")
        if (product, computer) in self._trials:
            raise InvalidControlError(f"computerID: {computer} has had its trial of {product}")
        trial = new_trial(product, computer, known.trial_days, now(days=-days))
        self._trials[product, computer] = trial
        return trial_row(trial)

    # Consumer data

    @operation("GET", "/api/ConsumerData")
    def list_consumer_data(self, call: Call) -> Any:
        """Answer a page of consumer records: the last of each computer, unless all are asked for."""
        inputs = inputs_of(call)
        product, computer = self._product(inputs).product, inputs.text("computerid")
        kind = inputs.word("type", "trials", "activations", "all", default="all")
        # A day without a time means the whole of it.
        start = _date(inputs, "startdate", BEFORE_ALL)
        end = _date(inputs, "enddate", AFTER_ALL).replace("T00:00:00", "T23:59:59.999")
        of_computer = self._of_computer.get((product, computer), [])
        rows = [
            row
            for row in (of_computer if computer else self._consumers[product])
            if kind in ("all", "activations" if row["licenseCode"] else "trials")
            and start <= row["created"] <= end
        ]
        if inputs.truth("justlast") is not False:
            rows = list({row["computerID"]: row for row in rows}.values())
        return page(call, inputs, rows, dict)

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


def new_trial(product: str, computer: str, days: int, started: str, code: str = "") -> Document:
    """Return a trial that began at a moment; with a code, one that became a license. The period is a string."""
    return {
        "productId": product,
        "computerId": computer,
        "trialPeriod": str(days),
        "created": started,
        "modified": started,
        "leaseEndDate": later(started, days=min(days, 1)),
        "expires": later(started, days=days),
        "licenseCode": code,
    }


def trial_key(trial: Document) -> tuple[str, str]:
    """Return the key of a trial: its product and its computer."""
    return trial["productId"], trial["computerId"]


def trial_row(trial: Document) -> Document:
    """Return a trial as GET Trials answers it: the status is not the filter's word."""
    return trial | {
        "trialStatus": IN_TRIAL if _running(trial) else "Trial Expired",
        "converted": "true" if trial["licenseCode"] else "false",
    }


def _running(trial: Document) -> bool:
    """Return True until it expires. Moments in the vendor's form compare as text."""
    return str(trial["expires"]) > now()


def _filter(inputs: Inputs) -> Callable[[Document], bool]:
    product, computer = inputs.text("productid"), inputs.text("computerid")
    status, converted = inputs.word("trialstatus", "intrial", "expired"), inputs.truth("converted")
    bounds = {
        name: (_date(inputs, f"{name}after", BEFORE_ALL), _date(inputs, f"{name}before", AFTER_ALL))
        for name in ("expires", "created")
    }
    if "expireswithindays" in inputs:
        days = inputs.whole("expireswithindays", high=MAX_DAYS)
        bounds["expires"] = _within(bounds["expires"], now(), now(days=days))
    if "createdwithindays" in inputs:
        days = inputs.whole("createdwithindays", high=MAX_DAYS)
        bounds["created"] = _within(bounds["created"], now(days=-days), AFTER_ALL)
    return lambda each: (
        product in ("", each["productId"])
        and computer in ("", each["computerId"])
        and all(start < each[name] < end for name, (start, end) in bounds.items())
        and status in ("", "intrial" if _running(each) else "expired")
        and converted in (None, bool(each["licenseCode"]))
    )


def _date(inputs: Inputs, name: str, otherwise: str) -> str:
    return inputs.date(name) if name in inputs else otherwise


def _within(bounds: tuple[str, str], start: str, end: str) -> tuple[str, str]:
    return max(bounds[0], start), min(bounds[1], end)
