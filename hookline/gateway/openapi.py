"""The OpenAPI document: the gateway's addresses for machines; the names of sources are yours."""

from typing import Any

from hookline.version import VERSION


def _json(description: str, **properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_TEXT = {"type": "string"}
_STATUS = {"status": _TEXT}
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer"}}
}


def _refused(description: str) -> dict[str, Any]:
    return _json(description, detail=_TEXT)


def _later(description: str) -> dict[str, Any]:
    return _refused(description) | {"headers": _RETRY_AFTER}


_RECEIPT = {
    "id": {
        "type": "string",
        "format": "uuid",
        "description": "The delivery's id; for a repeat, that of the first.",
    },
    "duplicate": {"type": "boolean", "description": "True if it came before."},
}
_BODY = {
    "description": "Any content of the sender; stored as it came.",
    "content": {
        "application/json": {"schema": {}},
        "application/x-www-form-urlencoded": {"schema": {"type": "object"}},
        "application/xml": {"schema": {}},
    },
}
_SOURCE = {"name": "source", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
_RECEIVE: dict[str, Any] = {
    "operationId": "receive",
    "summary": "Receive one webhook of a source.",
    "description": "The source declares how the sender authenticates, what it may send and how it is answered.",
    "parameters": [_SOURCE],
    "requestBody": _BODY,
    "responses": {
        "200": _json("It came before and is on disk, or it was a handshake.", **_RECEIPT),
        "202": _json("It is on disk.", **_RECEIPT),
        "400": _refused("It does not match its content type, or did not arrive complete."),
        "401": _refused("The signature or secret is wrong or missing."),
        "404": _refused("There is no such source, or it accepts no such request."),
        "408": _refused("The body came too slowly."),
        "413": _refused("The body is too long."),
        "429": _later("This address failed to authenticate too often."),
        "431": {"description": "The headers are too long."},
        "503": _later("It cannot be stored now; send it again."),
    },
}


def _read(operation: str, summary: str, **responses: dict[str, Any]) -> dict[str, Any]:
    numbered = {name.removeprefix("_"): response for name, response in responses.items()}
    return {"get": {"operationId": operation, "summary": summary, "responses": numbered}}


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Hookline's gateway", "version": VERSION},
    "paths": {
        "/hooks/{source}": {"post": _RECEIVE},
        "/healthz": _read("healthz", "Check that the process is alive.", _200=_json("It is.", **_STATUS)),
        "/readyz": _read(
            "readyz",
            "Check that deliveries can be stored.",
            _200=_json("They can.", **_STATUS),
            _503=_json("They cannot; the status says why.", **_STATUS),
        ),
        "/metrics": _read(
            "metrics",
            "Return the metrics for Prometheus.",
            _200={"description": "The metrics.", "content": {"text/plain": {"schema": _TEXT}}},
            _404=_refused("This client may not see them."),
            _503={
                "description": "The database does not answer.",
                "content": {"text/plain": {"schema": _TEXT}},
            },
        ),
    },
}
