"""What a vendor's probe tells apart, and one probe of a simulator."""

from hookline.facts import facts_of
from hookline.probe.frame import Probe, findings, run, steps_of


def probed_variants(vendor):
    """Each variant of each fact that the probe of a vendor looks at."""
    probed = {name for each in steps_of(vendor) for name in each.confirms}
    return [
        (fact.id, variant)
        for fact in facts_of(vendor).facts
        if fact.id in probed
        for variant in fact.variants
    ]


async def probed_by(client, inputs, *, write):
    """Probe by an open client; return the probe, what came of each step, and what of each fact."""
    steps = steps_of(client.vendor)
    probe = Probe(client, inputs)
    ended = {each.step.name: each.outcome async for each in run(probe, steps, write=write)}
    return probe, ended, {each.fact: each for each in findings(probe, steps)}
