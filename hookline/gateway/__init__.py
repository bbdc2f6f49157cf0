"""
The gateway: verifies a request, stores its delivery, answers; and serves the pages for people.

| module | does |
| --- | --- |
| `app`, `server` | the ASGI application; uvicorn with limits against hostile clients |
| `receive` | `/hooks/{source}`, step by step: resolve, verify, read, store, answer |
| `incoming`, `request_parsing` | one request: its source, headers and query; a body within limits |
| `handshakes` | a challenge and its reply |
| `intake`, `body_reader` | reading a body; in a confined process where it may be costly |
| `writer`, `refusals` | group commit of deliveries; counts of refused requests |
| `configuration` | the sources in force, reloaded on request |
| `endpoints` | an address and who may ask for it |
| `views` | the inbox page, each page with its role; `browsers` says which pages may ask for what |
| `prefect_proxy`, `prefect_access` | the Prefect UI behind our log-in; what each role may ask of its API |
| `openapi`, `logos` | two documents |

What must never happen here: an answer 2xx before the delivery is on disk; waiting for Prefect or a vendor; reading a
body of a sender that is not verified, but to verify it; storing or logging a secret; work on the event loop whose cost
a stranger decides.

New behaviour: another way to authenticate is a class in `hookline.schemes`; another field of a source is declared in
`hookline.hooks.sources`; another page is a module in `views` and a line in
`views.routes`, with the role that it needs.
"""
