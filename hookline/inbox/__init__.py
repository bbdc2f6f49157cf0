"""
The inbox: deliveries and their dispatches in PostgreSQL, and all SQL about them.

| module | what it has |
| --- | --- |
| `deliveries` | accept and deduplicate requests; claim deliveries for their routing |
| `dispatches` | claim, lease, end and requeue the work on one route of a delivery |
| `debounce` | let the last of many dispatches of a key stand for all |
| `batches` | the batches that are running, each under a lease |
| `engines` | heartbeats of engines |
| `commands` | what people do: replay, discard, pause, resume |
| `dry_run` | a command, rolled back |
| `listening` | what another Hookline is sent of a source, and how far this one has listened to others |
| `copies` | a replay with a change: a copy beside the delivery that came |
| `audit`, `change_feed` | the audit trail: who acts and why; following it live |
| `bodies` | redact, encrypt and decrypt bodies |
| `search`, `full_rows`, `stats` | find, read and count deliveries, in bounded time |
| `retention`, `refusals` | delete what is old; count what the gateway refused |
| `configuration` | problems in the files of running processes |

Never: a state or transition that `hookline.states` does not have; a change of a delivery's state that has dispatches,
for it follows them by trigger; a query without an index or a limit, for there are millions of deliveries; a lock on a
delivery before one on its dispatch.

New behaviour: a new event is a transition in `hookline.states`, a migration and a function here; a new command of
people belongs into `commands`, where `dry_run`, the shell and the pages find it.
"""
