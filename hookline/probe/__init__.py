"""
A probe of a vendor's real account: which assumptions of the table of facts hold there, and what to set where not.

| module | does |
| --- | --- |
| `frame` | a step, what a step may do, and the run of all steps of a vendor |
| `shapes` | masks what was answered: its shape stays, nobody's data does |
| `<vendor>` | the steps of a vendor, in the order in which they run |

Never here: a write without `--write`, and one that is not marked as ours and undone.
A new fact of a vendor: a step in its module that says what it saw (`Probe.saw`).
"""
