"""The check finds what it is there to find."""

import copy
import inspect
from collections import Counter
from dataclasses import replace

import pytest

from hookline.journal import Journal, journal
from tests.chaos.check import ON_ITS_WAY, Evidence, judge, never, side_by_side, while_full
from tests.chaos.plan import BLOWS, DEEDS, LATER_BLOWS, Delivery, Line, Order, plan
from tests.chaos.shop import Placed, Sent

CODE = "123456789012345678"
ORDER = Order(
    at=0,
    customer=0,
    lines=(Line("LIC-PRO", 1),),
    paid=True,
    deliveries=(Delivery("jiwa", early=False, after=0, copies=()),),
)


@pytest.fixture
def evidence():
    """One paid order, as it should be."""
    placed = Placed(ORDER, "in-1", "100123", "Customer 0", paid=True)
    return Evidence(
        placed=[placed],
        sent=[Sent(placed, "jiwa", attempts=2, acknowledged=2, ids={"d-1"})],
        zentitle={
            "licenses": [
                {
                    "licenseCode": CODE,
                    "productID": "6453300110",
                    "clientsallowed": 1,
                    "enabledforuse": "True",
                    "reference": "order 100123 license LIC-PRO",
                }
            ],
            "consumer_records": [{"licenseCode": CODE}],
            "notes": [{"licenseCode": CODE}],
            "companies": [{"company": "Customer 0"}],
        },
        jiwa={"orders": [{"InvoiceNo": "100123", "Notes": [{"NoteText": f"LIC-PRO: {CODE}"}]}]},
        sensorpro={"mails": [{"parameters": {"order": "100123", "licenses": f"LIC-PRO: {CODE}"}}]},
        deliveries=[{"id": "d-1", "state": "done", "reason": None, "duplicates": 1}],
        dispatches=[
            {
                "id": "p-1",
                "seq": 1,
                "delivery_id": "d-1",
                "parameters": {"invoice_id": "in-1"},
                "state": "done",
                "reason": None,
                "attempts": 1,
                "replays": 0,
                "flow_run_id": "r-1",
            }
        ],
        flow_runs=[
            {
                "id": "r-1",
                "name": "order 100123",
                "state_type": "COMPLETED",
                "state_name": "Completed",
                "run_count": 1,
                "tags": ["delivery:d-1"],
                "carries_many": False,
            }
        ],
    )


UNKNOWN = "EffectUncertain: It is not known whether this happened: mail of order 100123."


def end(evidence, state, reason=UNKNOWN):
    """Let the order end so."""
    evidence.deliveries[0] |= {"state": state, "reason": reason}
    evidence.dispatches[0] |= {"state": state, "reason": reason}
    evidence.flow_runs[0] |= {"state_type": "FAILED", "state_name": "Failed"}


def test_one_of_everything_is_right(evidence):
    assert [] == judge(evidence).violations


def test_an_order_that_stands_as_uncertain_with_its_reason_is_right(evidence):
    evidence.sensorpro["mails"].clear()
    evidence.jiwa["orders"][0]["Notes"].clear()
    end(evidence, "uncertain")

    assert [] == judge(evidence).violations


def test_once_a_person_has_seen_to_it_nothing_may_stand(evidence):
    evidence.sensorpro["mails"].clear()
    end(evidence, "uncertain")

    [complaint] = judge(replace(evidence, fixed=True)).violations
    assert complaint == "order 100123: there is no mail; and it stands as uncertain"


def test_an_order_does_not_fail_because_something_of_ours_was_killed(evidence):
    evidence.sensorpro["mails"].clear()
    end(evidence, "failed", reason="CannotConnectNowError: the database system is in recovery mode")

    [complaint] = judge(evidence).violations
    assert "is failed, by no vendor's doing: CannotConnectNowError" in complaint


def again(place):
    """A change: what stands first in the list stands there twice."""

    def change(evidence):
        rows = place(evidence)
        rows.append(copy.deepcopy(rows[0]))

    return change


def gone(place):
    """A change: the list is empty."""
    return lambda evidence: place(evidence).clear()


def other(place, **values):
    """A change: what stands first in the list is otherwise."""
    return lambda evidence: place(evidence)[0].update(values)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (again(lambda e: e.zentitle["licenses"]), "order 100123: licenses doubled: 1 too many"),
        (again(lambda e: e.zentitle["consumer_records"]), "consumer records doubled"),
        (again(lambda e: e.zentitle["notes"]), "license notes doubled"),
        (again(lambda e: e.zentitle["companies"]), "Customer 0 is a company 2 times"),
        (again(lambda e: e.sensorpro["mails"]), "mails doubled"),
        (again(lambda e: e.jiwa["orders"][0]["Notes"]), "notes doubled"),
        (gone(lambda e: e.zentitle["licenses"]), "1 licenses of product 6453300110 are missing"),
        (gone(lambda e: e.zentitle["consumer_records"]), "has no consumer record"),
        (gone(lambda e: e.zentitle["notes"]), "has no license note"),
        (gone(lambda e: e.sensorpro["mails"]), "there is no mail; and it stands as done"),
        (gone(lambda e: e.jiwa["orders"][0]["Notes"]), "there is no note; and it stands as done"),
        (other(lambda e: e.zentitle["licenses"], clientsallowed=5), "seats by product"),
        (other(lambda e: e.zentitle["licenses"], enabledforuse="False"), "is not enabled"),
        (other(lambda e: e.zentitle["licenses"], reference="order 7 license"), "belongs to no order"),
        (other(lambda e: e.sensorpro["mails"], parameters={"order": "100123"}), "the mail leaves out"),
        (other(lambda e: e.jiwa["orders"][0]["Notes"], NoteText="Thank you"), "the note leaves out"),
        (lambda e: setattr(e.placed[0], "paid", False), "calls for nothing and has 1 licenses"),
        (gone(lambda e: e.deliveries), "was acknowledged and is not in the inbox"),
        (again(lambda e: e.dispatches), "has 2 dispatches"),
        (other(lambda e: e.deliveries, state="running"), "is running"),
        (other(lambda e: e.deliveries, id="d-2"), "that nobody was told of"),
        (other(lambda e: e.deliveries, duplicates=0), "came 1 times by the inbox"),
        (lambda e: e.sent[0].ids.add("d-2"), "2 times in the inbox"),
        (lambda e: setattr(e.sent[0], "acknowledged", 0), "never acknowledged in 2 attempts"),
        (lambda e: end(e, "failed", reason=None), "is failed, by no vendor's doing: None"),
        (other(lambda e: e.flow_runs, state_type="RUNNING", state_name="Running"), "is left Running"),
        (other(lambda e: e.flow_runs, state_type="CRASHED", state_name="Crashed"), "is left Crashed"),
        (other(lambda e: e.flow_runs, state_type="FAILED", state_name="Failed"), "flow run is Failed"),
        (other(lambda e: e.flow_runs, id="r-2"), "its flow run r-1 is not there"),
    ],
)
def test_whatever_is_not_right_is_found(change, complaint, evidence):
    change(evidence)

    assert any(complaint in violation for violation in judge(evidence).violations)


def test_a_second_flow_run_of_a_delivery_is_found(evidence):
    evidence.flow_runs.append(evidence.flow_runs[0] | {"id": "r-2"})

    assert ["delivery:d-1 has 2 flow runs"] == judge(evidence).violations


def test_an_order_that_lacks_something_must_stand_so_in_its_last_dispatch(evidence):
    evidence.sensorpro["mails"].clear()
    evidence.dispatches.insert(
        0, evidence.dispatches[0] | {"seq": 0, "state": "failed", "reason": "an earlier one"}
    )

    assert any("it stands as done" in violation for violation in judge(evidence).violations)


SECOND = "876543210987654321"
LICENSES = "zentitle.create_license_codes"


@pytest.fixture
def doubled(evidence):
    """The order has a second license, which Hookline shows as doubled; a proxy sent the call twice."""
    first = evidence.zentitle["licenses"][0]
    evidence.zentitle["licenses"].append(first | {"licenseCode": SECOND})
    end(evidence, "doubled", reason="zentitle shows a code too many")
    shown = {"label": "order 100123", "step": "license LIC-PRO", "dispatch_id": "p-1", "operation": LICENSES}
    shown |= {"state": "doubled", "expected": 1}
    evidence.shown.append(shown | {"surplus": [SECOND], "reason": None})
    evidence.excused[LICENSES] = 1
    return evidence


def test_a_double_that_could_not_be_helped_and_is_shown_is_right(doubled):
    assert [] == judge(doubled).violations
    assert [] == never(doubled)


@pytest.mark.parametrize(("named", "found"), [([CODE, SECOND], False), ([CODE], True)])
def test_a_double_may_be_a_question_that_names_all_that_is_there(named, found, doubled):
    doubled.shown[0] |= {"state": "uncertain", "surplus": [], "reason": f"1 were asked for; new are {named}."}

    assert found == any("licenses doubled" in violation for violation in judge(doubled).violations)


def test_a_double_that_is_not_shown_is_found(doubled):
    doubled.shown.clear()

    assert any("licenses doubled: 1 too many" in violation for violation in judge(doubled).violations)


def test_a_double_that_is_shown_and_whose_dispatch_says_that_all_is_done_is_found(doubled):
    end(doubled, "done", reason=None)

    assert "license LIC-PRO of order 100123 is doubled, and its dispatch is done" in judge(doubled).violations


def test_an_order_is_doubled_though_a_later_delivery_about_it_found_nothing_to_do(doubled):
    later = doubled.dispatches[0] | {"id": "p-2", "seq": 2, "state": "done", "reason": None}
    doubled.dispatches.append(later)

    assert not [each for each in judge(doubled).violations if "it stands as" in each]


def test_a_double_for_which_there_is_no_excuse_is_found_at_any_moment(doubled):
    doubled.excused.clear()
    complaint = f"{LICENSES}: doubled in 1 orders, and 0 could not be helped"

    assert complaint in judge(doubled).violations
    assert [complaint] == never(doubled)


def test_once_a_person_has_seen_to_it_no_double_may_be_there(doubled):
    assert any(
        "licenses doubled" in violation for violation in judge(replace(doubled, fixed=True)).violations
    )


def test_a_double_is_gone_when_it_is_disabled(doubled):
    doubled.zentitle["licenses"][-1]["enabledforuse"] = "False"
    end(doubled, "done", reason=None)
    doubled.flow_runs[0] |= {"state_type": "COMPLETED", "state_name": "Completed"}

    assert [] == judge(replace(doubled, fixed=True, shown=[], excused=Counter())).violations


def test_a_mail_that_a_person_let_be_sent_again_is_no_double_of_ours(evidence):
    evidence.sensorpro["mails"] *= 2
    found = [*never(evidence), *judge(evidence).violations]
    evidence.misled["100123"] = 1

    assert any("mails doubled" in violation for violation in found)
    assert [] == [*never(evidence), *judge(evidence).violations]


def test_an_acknowledged_delivery_that_is_not_there_is_found_at_any_moment(evidence):
    evidence.deliveries.clear()

    assert ["delivery of jiwa about order 100123: was acknowledged and is not in the inbox"] == never(
        evidence
    )


def test_the_same_seed_is_the_same_plan():
    assert plan(7, 100) == plan(7, 100) != replace(plan(8, 100), seed=7)


def test_each_round_has_every_blow():
    given = Counter((blow.how, blow.target, blow.seconds) for blow in plan(7, 600).blows)

    assert dict.fromkeys([*BLOWS, *LATER_BLOWS], 2) == given
    assert dict.fromkeys(DEEDS, 2) == Counter(deed.what for deed in plan(7, 600).deeds)


def test_what_is_acknowledged_while_nothing_can_be_written_is_found():
    on_its_way, later = (1.0, 202), (ON_ITS_WAY + 1, 202)

    assert (1, []) == while_full([(0, 5)], [on_its_way, (4, 503), (6, 202)])
    [complaint] = while_full([(0, 5)], [later])[1]
    assert "1 deliveries were acknowledged while nothing could be written" in complaint


def test_two_versions_that_work_one_after_the_other_are_found():
    figures, nothing = side_by_side(["old engine 1", "newer engine 2", "old engine 1"], "old", "newer")
    _, [one_after_the_other] = side_by_side(["old engine 1", "newer engine 2"], "old", "newer")
    _, [by_neither] = side_by_side(["engine 1"], "old", "newer")

    assert ("1 and 1", []) == (figures["of which while both were at work"], nothing)
    assert "never worked side by side" in one_after_the_other
    assert "by neither version" in by_neither


def test_what_test_can_fail_patches_away_is_still_what_it_was():
    run, wait = Journal.run, journal._Write._ensure_landed

    assert ["self", "effect", "send"] == list(inspect.signature(run).parameters)[:3]
    assert ["self", "row", "why"] == list(inspect.signature(wait).parameters)
