"""
The engine: turns deliveries into flow runs, and runs them here, in one warm process.

| module | purpose |
| --- | --- |
| `engine` | the loop: claim dispatches, run them, write their outcomes, drain |
| `routing` | from a delivery to its dispatches, within a fence |
| `leases` | claimed dispatches, the renewal of their leases, the stop of a run |
| `liveness` | the file lock by which a dead engine is known at once |
| `quarantine` | dispatches whose engine died: when they run again |
| `slots` | how many dispatches are at work, and the share of one vendor |
| `runs` | the flow run of one dispatch |
| `threads` | flows that block, in one thread each |
| `pool_runs` | dispatches in a work pool: what they wait for there |
| `batch` | one flow run that carries many dispatches of a backlog |
| `outcomes` | the closed union of results between runs and engine |
| `reconcile` | polls Prefect, and makes it and the inbox agree |
| `events` | changes of deliveries, sent to Prefect as events |
| `notices` | issues, and vendors that are away or back, sent to Prefect as events |
| `configuration` | the files of an engine, read again on request |
| `caretaker` | closes runs of dead workers, reports overdue schedules |
| `worker`, `worker_runs` | the worker process, and the runs that a dead one left |
| `loop_watchdog` | warns when the event loop is blocked, ends the process if it stays so |
| `trouble` | loops that fail, logged once and part of the heartbeat |
| `waits` | lets waits time out, wakes the runs whose wait is over, looks back |
| `maintenance` | prunes the inbox |

Polled sources are read by `hookline.polling`, whose `Poller` is one more helper here.

Never: an import of `tasks`, `flows` or `blocks`; SQL about deliveries, dispatches or effects (that is `hookline.inbox`
and `hookline.journal`); a private name of Prefect (that is `hookline.prefect_adapter`); a change to a flow run or a
dispatch without `ClaimedDispatch.ensure_lease`; a call that blocks the event loop.

New behaviour: a new way for a run to end is an outcome, and a case in `Engine._write`; a new reason to stop a run is a
`Stop` in the adapter's `control`; new periodic work is a line in `Engine._start_helpers`.
"""
