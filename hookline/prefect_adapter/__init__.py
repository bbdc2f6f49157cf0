"""
The adapter to Prefect: the one package that may assume anything of Prefect's inside.

| module | what it assumes |
| --- | --- |
| `block_types` | when a block type would be registered again |
| `client` | all runs of a process share the client of one context |
| `control` | (nothing: what a flow run asks of the engine) |
| `errors` | how Prefect's client reports an outage, a refusal and a failure of its server |
| `flow_run_engine` | the engine of a flow run, which is subclassed so that a run can be stopped |
| `parameter_schema` | how the server turns a flow's schema into the one that it checks by |
| `patching` | the one way to replace a function of Prefect; raises if there is none |
| `result_storage` | how a run learns where its results are stored |
| `retries` | the delay of a task is read after the condition of its retry |
| `run_marks` | `retry_type`, a label and a variable, by which it is known who runs a flow run |
| `run_names` | the name and the tags that a running flow sees of its run |
| `run_spans` | where a run has its span, and the label with the trace that it belongs to |
| `server` | (nothing: the process of a Prefect server) |
| `serving` | how Prefect's server is made and served, and who brought its block types |
| `storable` | the ways by which texts and numbers reach the server |
| `threaded_run` | the engine of a synchronous flow run, and how a thread is interrupted |
| `suspension` | how a run is suspended and resumed, and where its dialog finds a form and leaves the answer |
| `waits` | the functions in which Prefect sleeps within a run |
| `worker` | what the process worker submits and has submitted |

`tests/unit/prefect_adapter` has a test for each assumption, which says in a sentence what a new Prefect changed.

Never: an import of `hookline.engine`, of the inbox or of the journal; a private name of Prefect anywhere else; an
assignment to one of its names without `patching`.

New behaviour goes to the engine, unless it needs a part of Prefect that is not documented: then a small function here,
with a contract test.
"""
