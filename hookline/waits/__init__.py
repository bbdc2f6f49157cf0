"""
Waits: what a run waits for without a process, a person's answer or a delivery, as a row each.

| module | what it has |
| --- | --- |
| `store` | the SQL: begin a wait, answer it, let it time out, cancel it, find it |
| `matching` | the deliveries that a wait is for: values at paths, as one digest that an index finds |
| `forms` | a person's answer: the fields of its form, read from text and checked |
| `errors` | how a wait ends without an answer, for the flow |
| `links` | links by which a person answers without a log-in |
| `addresses` | the names of people, and where each is reached |
| `people` | the message that asks, sent and sent again |

A flow waits by `tasks.waits`. Its run is suspended in Prefect, its dispatch is held; engines look back, let waits time
out, ask people and wake runs (`hookline.engine.waits`). A run that goes on begins its flow again, and finds the
answer in the row.

Never: an import of Prefect; an answer that is not in the row; a wait that is looked for by going through all of them.
"""
