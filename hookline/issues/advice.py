"""What to do about an issue, by the kind of error."""

from collections.abc import Mapping
from typing import Any, Final

BY_ERROR: Final = {
    "NotAuthenticated": "Correct the key or log-in in the vendor's block or settings, then replay the issue.",
    "NotAllowed": "Give the key this permission at the vendor, then replay the issue.",
    "NotFound": "Check at the vendor whether the record was deleted or renamed, then replay or discard the issue.",
    "Refused": "Correct what the vendor complains about, in the order or in the catalog, then replay the issue. Or do "
    "it by hand there, and say so at each delivery.",
    "Unavailable": "Check whether the vendor is up again, then replay the issue.",
    "Unreachable": "Check the address, the network and whether the vendor is up, then replay the issue.",
    "AnswerLost": "Check whether the vendor is up again, then replay the issue: what was sent is read back first.",
    "RateLimited": "Lower the calls per second in the vendor's block, then replay the issue.",
    "UnexpectedAnswer": "Compare the answer with the vendor's reference; it may have changed. Then replay the issue.",
    "UnknownSentence": "Look at the vendor whether it was done. Add the sentence to the setting that the error names, "
    "then replay the issue.",
    "VendorGivenUp": "The vendor was away for too long. Once `hookline vendors` says that it is up, replay the issue.",
    "EffectConflict": "Correct the difference at the vendor by hand, then replay or discard the issue.",
    "BusinessFailure": "A rule of the business said no, and what was done is undone. Talk to the customer.",
    "ValidationError": "Correct the parameters of the route in hooks.yaml, or the sender, then replay the issue.",
}
BY_KIND: Final = {
    "failed": "Read the reason, correct the cause, then replay the issue.",
    "uncertain": "Look at the vendor whether it happened, and resolve each effect: hookline effects list --state "
    "uncertain.",
    "doubled": "Look at both at the vendor, and confirm the undo that is proposed.",
    "rejected": "Correct the sender, the schema or the route, then replay the issue.",
}


def advice_for(issue: Mapping[str, Any]) -> str:
    """Return what to do about an issue."""
    if issue["advice"]:
        return str(issue["advice"])
    kind = issue["kind"]
    by_error = BY_ERROR.get(issue["error"] or "") if kind == "failed" else None
    return by_error or BY_KIND.get(kind, BY_KIND["failed"])
