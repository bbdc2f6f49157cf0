"""Jiwa's inventory: the items on sale, and the calls about them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hookline.simulators.control import Call, RefusedError, operation
from hookline.simulators.jiwa import autoquery
from hookline.simulators.jiwa.core import JiwaCore
from hookline.simulators.jiwa.values import (
    CHOICES,
    LOGICAL_ID,
    blank,
    body_of,
    fill,
    missing,
    read_fields,
    record_id,
    rule_violation,
    timestamp,
)
from hookline.simulators.records import Document, names

# The fields that a request may set. Whatever else it holds is dropped without a word, as at the vendor.
ITEM = names("""
    PartNo Description Status DefaultPrice RRPPrice LCost PhysicalItem SellPriceIncTax DecimalPlaces Discountable
    BackOrderable UseSerialNo WebEnabled Weight Cubic UnitMeasure Aux1 Aux2 Aux3 Aux4 Aux5
""")
ITEM_FIELDS = (
    {"SettingID": "0d7c41e98a3b4f62b5a7", "SettingName": "LicensedProduct", "PluginName": "Licensing"},
)

INVENTORY_ITEM_LIST = autoquery.columns(
    text="""
        InventoryID PartNo Description IN_LogicalID LogicalWarehouseDescription PhysicalWarehouseDescription Picture
    """,
    number="Status SellPrice RRPPrice InStock AvailableStock",
    flag="WebEnabled",
    date="LastSavedDateTime",
)
SHOWN = names("InventoryID PartNo Description RRPPrice WebEnabled LastSavedDateTime")
"""The fields of an item that its row in the list view has too."""


class Items:
    """The inventory items, by key and by part number."""

    def __init__(self) -> None:
        self._by_id: dict[str, Document] = {}

    def __iter__(self) -> Iterator[Document]:
        return iter(self._by_id.values())

    def put(self, item: Document) -> None:
        """Store an item, in the place of the one with its key."""
        self._by_id[item["InventoryID"]] = item

    def of_part(self, part: str) -> Document | None:
        """Return the item with a part number."""
        return next((item for item in self if item["PartNo"].lower() == part.lower()), None)

    def named_by(self, body: Mapping[str, Any]) -> Document:
        """Return the item that a request asks for; its key goes before its part number."""
        inputs = read_fields(body, ("InventoryID", "PartNo"))
        key, part = inputs.get("InventoryID"), inputs.get("PartNo", "")
        item = self._by_id.get(key) if key else self.of_part(part)
        if item is None:
            raise missing(f"Inventory item {key or part}")
        return item


class InventoryRoutes(JiwaCore):
    """The calls about the inventory."""

    def seed(self) -> None:
        """Empty the inventory."""
        super().seed()
        self.items = Items()

    def records(self) -> dict[str, Any]:
        """Return every inventory item besides."""
        return super().records() | {"inventory": json.loads(json.dumps(list(self.items)))}

    @operation("POST", "/Inventory")
    def create_inventory_item(self, call: Call) -> Any:
        """Add an item; a part number in use is refused."""  # fact: numbers-unique
        body = body_of(call)
        fields = read_fields(body, ITEM)
        if not fields.get("PartNo", "").strip():
            raise RefusedError(400, "PartNo must be given.", "ArgumentException")
        self._check_part(fields["PartNo"])
        return self._save_item(_filled(new_item(fields), body), "inventory.created")

    @operation("GET", "/Inventory/{InventoryID}")
    def get_inventory_item(self, call: Call) -> Any:
        """Answer an inventory item."""
        return self.items.named_by(call.path)

    @operation("PATCH", "/Inventory/{InventoryID}")
    def update_inventory_item(self, call: Call) -> Any:
        """Change an item; lines that were written before stay as they are."""
        item, body = self.items.named_by(call.path), body_of(call)
        changed = item | read_fields(body, ITEM) | {"LastSavedDateTime": timestamp()}
        if changed["PartNo"].lower() != item["PartNo"].lower():
            self._check_part(changed["PartNo"])
        return self._save_item(_filled(changed, body), "inventory.updated")

    @operation("GET", "/Queries/InventoryItemList")
    def query_inventory_items(self, call: Call) -> Any:
        """Answer inventory items, each with its picture unless Fields leaves it out."""
        return self.queried(map(_row, self.items), INVENTORY_ITEM_LIST, call)

    def _check_part(self, part: str) -> None:
        if self.items.of_part(part):
            raise rule_violation(f"Part number {part} is already in use.")

    def _save_item(self, item: Document, event: str) -> Document:
        self.items.put(item)
        self.webhooks.notify(event, item)
        return item


def new_item(fields: Document, stock: float = 0) -> Document:
    """Return an item with the fields of a request, so many of it in stock."""
    return {
        "InventoryID": record_id(),
        "PartNo": "",
        "Description": "",
        "Status": CHOICES["Status"][0],
        "DefaultPrice": 0,
        "RRPPrice": 0,
        "SellPriceIncTax": False,
        "LCost": 0,
        "PhysicalItem": True,
        "Discountable": True,
        "BackOrderable": True,
        "UseSerialNo": False,
        "WebEnabled": False,
        "DecimalPlaces": 0,
        "UnitMeasure": "EACH",
        "WarehouseSOHs": [{"IN_LogicalID": LOGICAL_ID, "Warehouse": "Main", "TotalSOH": stock}],
        "CustomFieldValues": blank(ITEM_FIELDS),
        "Notes": [],
        "LastSavedDateTime": timestamp(),
    } | fields


def _filled(item: Document, body: Mapping[str, Any]) -> Document:
    """Return the item with the custom fields that a request holds."""
    values = [dict(value) for value in item["CustomFieldValues"]]
    fill(values, body)
    return item | {"CustomFieldValues": values}


def _row(item: Document) -> Document:
    """Return an item in the list view: Status a number, and the picture that makes the rows heavy."""
    stock = item["WarehouseSOHs"][0]["TotalSOH"]
    return {
        **{name: item[name] for name in SHOWN},
        "Status": CHOICES["Status"].index(item["Status"]),
        "SellPrice": item["DefaultPrice"],
        "InStock": stock,
        "AvailableStock": stock,
        "IN_LogicalID": LOGICAL_ID,
        "LogicalWarehouseDescription": "Main",
        "PhysicalWarehouseDescription": "Warehouse",
        "Picture": "AA==",
    }
