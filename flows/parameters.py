"""The parameters that many flows have, with the titles and bounds that Prefect's form has for them."""

from typing import Annotated, Any, Final, TypeAlias

from pydantic import Field

ID_LENGTH: Final = 200
BLOCK_NAME: Final = "^[a-z0-9-]+$"
"""As Prefect allows the name of a stored block."""


def titled(title: str, **bounds: Any) -> Any:
    """Return the field of a parameter: its title in the form, where Prefect would write its name, and its bounds."""
    return Field(json_schema_extra={"title": title}, **bounds)


def identifier(title: str) -> Any:
    """Return the field of a vendor's id of one thing, which is never empty."""
    return titled(title, min_length=1, max_length=ID_LENGTH)


def _block(vendor: str) -> Any:
    return titled(f"{vendor} account", pattern=BLOCK_NAME, max_length=ID_LENGTH)


JiwaBlock: TypeAlias = Annotated[str, _block("Jiwa")]
ZentitleBlock: TypeAlias = Annotated[str, _block("Zentitle")]
SensorproBlock: TypeAlias = Annotated[str, _block("Sensorpro")]
JetadviceBlock: TypeAlias = Annotated[str, _block("JetAdvice")]
JifelineBlock: TypeAlias = Annotated[str, _block("Jifeline")]

OrderId: TypeAlias = Annotated[str, identifier("Order: Jiwa's InvoiceID")]
DebtorId: TypeAlias = Annotated[str, identifier("Customer: Jiwa's DebtorID")]
PartNo: TypeAlias = Annotated[str, identifier("Part: Jiwa's PartNo")]
ProductId: TypeAlias = Annotated[str, identifier("Product: Zentitle's id")]
LicenseCode: TypeAlias = Annotated[str, identifier("License code")]

DeliveryId: TypeAlias = Annotated[str, identifier("Delivery")]
