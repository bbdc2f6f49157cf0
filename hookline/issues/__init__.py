"""
Issues: what needs a person, grouped by its cause, so that fifty failed orders are one thing to do.

| module | what it has |
| --- | --- |
| `store` | report, close, find and acknowledge issues, and all SQL about them |
| `advice` | what to do, by the kind of error |
| `commands` | one replay, discard or decision for all that belongs to an issue |

A failed, uncertain or rejected delivery comes to its issue by a trigger, in the transaction that sets its state
(`issue_of` in the migration): no way to a state can miss it. Such an issue closes itself once all that belongs to it is
done or discarded. What else a person should know, such as the silence of a source, is reported, and closed by the one
who reported it.
"""

from hookline.issues.store import close, report

__all__ = ["close", "report"]
