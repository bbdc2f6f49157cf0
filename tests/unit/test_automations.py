"""`automations.yaml` is Prefect's notation, and what Prefect would pass over in silence is refused."""

import pytest

from hookline.errors import ConfigurationError
from hookline.provisioning.automations import load_automations

ENTRY = """
  - name: tell
    trigger: {type: event, posture: Reactive, expect: [hookline.delivery.failed], threshold: 1, within: 0}
    actions: [{type: run-deployment, deployment: notify/default}]
"""


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "automations.yaml"
        path.write_text(text)
        return load_automations(path)

    return load


def test_ours_can_be_read_and_names_what_it_starts(repository):
    automations = load_automations(repository / "deployments/automations.yaml")

    things = [("deployment", "notify/default")]
    names = ("notify", "notify-of-vendors", "notify-of-files", "notify-of-schedules", "notify-of-hold")
    names += ("notify-of-credentials",)
    assert dict.fromkeys(names, things) == {automation.name: automation.things for automation in automations}


def test_there_may_be_none(load):
    assert [] == load("automations: []")


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("expect:", "expects:", "automations.0.trigger.expects: Prefect knows no such field"),
        ("threshold:", "treshold:", "automations.0.trigger.treshold: Prefect knows no such field"),
        ("deployment:", "deploymant:", "automations.0.actions.0"),
        ("run-deployment", "run-deplyment", "automations.0.actions.0"),
        ("    trigger:", "    when: now\n    trigger:", "automations.0.when: Prefect knows no such field"),
        ("type: event", "type: evnt", "automations.0.trigger"),
        ("    trigger:", "    triggers:", "automations.0.trigger"),
        ("- name: tell", "- description: it", "automations.0.name: Field required"),
        ("[{type: run-deployment, deployment: notify/default}]", "[]", "automations.0.actions"),
    ],
)
def test_a_mistake_is_told_with_its_place(load, right, wrong, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        load("automations:" + ENTRY.replace(right, wrong))


def test_a_name_that_is_there_twice_is_refused(load):
    with pytest.raises(ConfigurationError, match=r"automations\.1: tell is there twice"):
        load("automations:" + ENTRY + ENTRY)
