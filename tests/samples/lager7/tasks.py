"""Tasks on Lager 7, one an operation."""

from vendors.lager7.block import LagerCredentials
from vendors.lager7.client import LagerClient, NewParcel

from hookline.journal import Outcome
from tasks.operations import VendorTasks


async def _by_note(client: LagerClient, _inputs: NewParcel, token: str) -> Outcome | None:
    """Find the parcel whose note has the token."""
    found = next((each for each in await client.list_parcels() if token in each.note), None)
    return None if found is None else Outcome(answer=found)


_lager7 = VendorTasks(LagerCredentials, __name__)

list_parcels = _lager7.call(LagerClient.list_parcels)
get_parcel = _lager7.call(LagerClient.get_parcel)
create_parcel = _lager7.write_task(
    LagerClient.create_parcel, of="reference", readback=_by_note, carrier="note"
)
