"""A stand-in for Lager 7, which remembers its parcels."""

from typing import Any

from starlette.responses import JSONResponse, Response

from hookline.simulators.control import Call, RefusedError, Simulator, operation


class LagerSimulator(Simulator):
    """Lager 7 with one parcel."""

    vendor = "lager7"

    def seed(self) -> None:
        """Set up one parcel."""
        self.parcels = [{"id": "1", "reference": "first", "note": ""}]

    def records(self) -> dict[str, Any]:
        """Return the parcels."""
        return {"parcels": [dict(each) for each in self.parcels]}

    def authorize(self, call: Call) -> None:
        """Let the key in."""
        if call.headers.get("authorization") != "Bearer sandbox-lager7-key":
            raise RefusedError(401, "Who are you?")

    def render(self, call: Call, value: Any, /) -> Response:
        """Return JSON."""
        return JSONResponse(value)

    def refusal(self, error: RefusedError) -> Response:
        """Return the message."""
        return JSONResponse({"message": error.message}, error.status)

    @operation("GET", "/parcels")
    def list_parcels(self, call: Call) -> Any:
        """List the parcels."""
        return self.parcels

    @operation("GET", "/parcels/{id}")
    def get_parcel(self, call: Call) -> Any:
        """Read a parcel."""
        found = next((each for each in self.parcels if each["id"] == call.path["id"]), None)
        if found is None:
            raise RefusedError(404, "There is no such parcel.")
        return found

    @operation("POST", "/parcels")
    def create_parcel(self, call: Call) -> Any:
        """Send a parcel."""
        sent = call.document(lambda problem: RefusedError(400, problem))
        self.parcels.append({"id": str(len(self.parcels) + 1), "note": "", **sent})
        return self.parcels[-1]
