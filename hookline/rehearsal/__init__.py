"""
Rehearsal: stored deliveries go through the code, hooks.yaml and catalog of here, and what would differ is reported.

| module | what is there |
| --- | --- |
| `doors` | what a process that rehearses has in the place of vendors, journal and waits |
| `network` | the last fence: no connection and no program of a flow leaves the process |
| `recorded` | the real database, read only |
| `answers` | answers of vendors, from what was recorded; with leave, from the vendor |
| `writes` | the journal of a rehearsal: every write is compared with the recorded one, and none is sent |
| `report` | differences, each with the deliveries that it has, in bounded groups |
| `routing` | the dispatches that a delivery would have, compared with those that it has |
| `runs` | one delivery after another, routed, run and compared |
| `world` | a throwaway home with a PostgreSQL and a Prefect server of its own |

Must never happen here: a write at a vendor or in the real database; an answer that is guessed, such as an empty list
where nobody knows the list; a run whose end is not known counted as a difference, or as none.

`doors` is imported from everywhere below and imports nothing; all others are for the command.
"""
