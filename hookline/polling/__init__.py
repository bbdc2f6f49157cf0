"""
Polled sources: an operation of a vendor, read again and again, whose new items become deliveries.

| module | holds |
| --- | --- |
| `lists` | one answer of an operation as rows, each checked by itself |
| `reader` | one poll: pages from the cursor on, the items that are new, and how far they reach |
| `poller` | the polls of an engine: which are due, and what is stored of each |
| `fit` | whether a poll of `hooks.yaml` fits its operation |

What a poll is stands in `hookline.hooks.poll`, its SQL in `hookline.inbox.polls`.

Never: a cursor that is stored without its items; an item that stops those behind it.
"""
