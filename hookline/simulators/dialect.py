"""Dialects: one fact about a vendor, answered in any way that no document excludes."""

import random
from collections.abc import Mapping
from typing import Any

from hookline.facts import facts_of
from hookline.simulators.faults import InvalidControlError


class Dialect:
    """
    The variant that a simulator speaks of each fact that has variants.

    Args:
        vendor: whose facts.
        seed: 0 for the first variant of each, which is the likeliest; any other number draws.
    """

    def __init__(self, vendor: str, seed: int = 0) -> None:
        self.vendor = vendor
        facts = [fact for fact in facts_of(vendor).facts if fact.variants]
        self._facts = {fact.id: tuple(fact.variants) for fact in facts}
        self._settings = {fact.id: fact.settings for fact in facts}
        self.draw(seed)

    def __getitem__(self, fact: str) -> str:
        return self.spoken[fact]

    def draw(self, seed: int) -> None:
        """Speak the variants that a seed draws."""
        self.seed = seed
        self.spoken = {
            fact: random.Random(f"{seed} {self.vendor} {fact}").choice(variants)  # noqa: S311
            if seed
            else variants[0]
            for fact, variants in self._facts.items()
        }

    def listed(self) -> dict[str, Any]:
        """Return the seed, the variant of each fact, and the settings that an account needs for them."""
        return {"seed": self.seed, "facts": dict(self.spoken), "settings": self.settings()}

    def settings(self) -> dict[str, str]:
        """Return the variables that an account needs for these variants, but for what must be seen first."""
        return {
            name: value
            for fact, variant in self.spoken.items()
            for name, value in self._settings[fact].get(variant, {}).items()
            if "{evidence}" not in value
        }

    def speak(self, variants: Mapping[str, str]) -> None:
        """
        Speak these variants; the others stay.

        Raises:
            InvalidControlError: a fact or a variant is not known; the text names it.
        """
        for fact, variant in variants.items():
            if fact not in self._facts:
                raise InvalidControlError(
                    f"{fact}: has no variants; those that have: {', '.join(self._facts)}"
                )
            if variant not in self._facts[fact]:
                raise InvalidControlError(f"{fact}: must be one of {', '.join(self._facts[fact])}")
        self.spoken |= variants
