"""
Outages: the health of each vendor account, shared by all processes through PostgreSQL.

| module | what it has |
| --- | --- |
| `watch` | what a client asks before each call, and reports after it |
| `store` | the SQL: when an account is away, who probes it, when it is back |
| `waiting` | the dispatches that wait for an account: one is woken to probe, the rest released at a rising rate |

An account is away after failures in a row of one operation, or where the vendor asks for a long wait. Then a call of it
raises `VendorAway` at once, and the dispatch waits, without an engine, until one real dispatch is through.

Never: a call that is only made to see whether a vendor is there; a state of an account in one process alone; a failure
of this module that stops a call.
"""
