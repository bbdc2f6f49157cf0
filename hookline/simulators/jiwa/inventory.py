"""Jiwa's inventory: what is on sale, and the calls about it."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from hookline.simulators.control import Call, RefusedError, operation
from hookline.simulators.jiwa import autoquery
from hookline.simulators.jiwa.core import JiwaCore
from hookline.simulators.jiwa.values import (
    CHOICES,
    LOGICAL_ID,
    Document,
    against_the_rules,
    blank,
    body_of,
    fill,
    missing,
    record_id,
    taken,
    timestamp,
)

# What a request may set. Whatever else it holds is dropped without a word, as at the vendor.
ITEM = (
    "PartNo",
    "Description",
    "Status",
    "DefaultPrice",
    "RRPPrice",
    "LCost",
    "PhysicalItem",
    "SellPriceIncTax",
    "DecimalPlaces",
    "Discountable",
    "BackOrderable",
    "UseSerialNo",
    "WebEnabled",
    "Weight",
    "Cubic",
    "UnitMeasure",
    "Aux1",
    "Aux2",
    "Aux3",
    "Aux4",
    "Aux5",
)
ITEM_FIELDS = (
    {"SettingID": "0d7c41e98a3b4f62b5a7", "SettingName": "LicensedProduct", "PluginName": "Licensing"},
)

INVENTORY_ITEM_LIST: dict[str, type] = {
    "InventoryID": str,
    "PartNo": str,
    "Description": str,
    "Status": float,
    "SellPrice": float,
    "RRPPrice": float,
    "InStock": float,
    "AvailableStock": float,
    "IN_LogicalID": str,
    "LogicalWarehouseDescription": str,
    "PhysicalWarehouseDescription": str,
    "WebEnabled": bool,
    "Picture": str,
    "LastSavedDateTime": datetime,
}


class Items:
    """The inventory items, by key and by part number."""

    def __init__(self) -> None:
        self._by_id: dict[str, Document] = {}

    def __iter__(self) -> Iterator[Document]:
        return iter(self._by_id.values())

    def put(self, item: Document) -> None:
        """Take an item in, or in the place of what it was."""
        self._by_id[item["InventoryID"]] = item

    def of_part(self, part: str) -> Document | None:
        """The item with a part number."""
        return next((item for item in self if item["PartNo"].lower() == part.lower()), None)

    def named_by(self, body: Mapping[str, Any]) -> Document:
        """The item that a request asks for; its key goes before its part number."""
        given = taken(body, ("InventoryID", "PartNo"))
        key, part = given.get("InventoryID"), given.get("PartNo", "")
        item = self._by_id.get(key) if key else self.of_part(part)
        if item is None:
            raise missing(f"Inventory item {key or part}")
        return item


class InventoryRoutes(JiwaCore):
    """The calls about the inventory."""

    def seed(self) -> None:
        """An empty inventory."""
        super().seed()
        self.items = Items()

    def records(self) -> dict[str, Any]:
        """Every inventory item besides."""
        return super().records() | {"inventory": json.loads(json.dumps(list(self.items)))}

    @operation("POST", "/Inventory")
    def create_inventory_item(self, call: Call) -> Any:
        """Add an item; a part number that is taken is refused (assumed)."""
        body = body_of(call)
        fields = taken(body, ITEM)
        if not fields.get("PartNo", "").strip():
            raise RefusedError(400, "PartNo must be given.", "ArgumentException")
        self._check_part(fields["PartNo"])
        return self._save_item(_filled(new_item(fields), body), "inventory.created")

    @operation("GET", "/Inventory/{InventoryID}")
    def get_inventory_item(self, call: Call) -> Any:
        """An inventory item."""
        return self.items.named_by(call.path)

    @operation("PATCH", "/Inventory/{InventoryID}")
    def update_inventory_item(self, call: Call) -> Any:
        """Change an item; lines that were written before keep what they said."""
        item, body = self.items.named_by(call.path), body_of(call)
        changed = item | taken(body, ITEM) | {"LastSavedDateTime": timestamp()}
        if changed["PartNo"].lower() != item["PartNo"].lower():
            self._check_part(changed["PartNo"])
        return self._save_item(_filled(changed, body), "inventory.updated")

    @operation("GET", "/Queries/InventoryItemList")
    def query_inventory_items(self, call: Call) -> Any:
        """Inventory items, each with its picture unless Fields leaves it out."""
        return autoquery.answer(map(_row, self.items), INVENTORY_ITEM_LIST, call.query)

    def _check_part(self, part: str) -> None:
        if self.items.of_part(part):
            raise against_the_rules(f"Part number {part} is already in use.")

    def _save_item(self, item: Document, event: str) -> Document:
        self.items.put(item)
        self.webhooks.notify(event, item)
        return item


def new_item(fields: Document, stock: float = 0) -> Document:
    """An item with what a request gives it, so many of it in stock."""
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
    """The item with the custom fields that a request holds."""
    values = [dict(value) for value in item["CustomFieldValues"]]
    fill(values, body)
    return item | {"CustomFieldValues": values}


def _row(item: Document) -> Document:
    """An item in the list view: Status a number, and the picture that makes the rows heavy."""
    stock = item["WarehouseSOHs"][0]["TotalSOH"]
    return {
        "InventoryID": item["InventoryID"],
        "PartNo": item["PartNo"],
        "Description": item["Description"],
        "Status": CHOICES["Status"].index(item["Status"]),
        "SellPrice": item["DefaultPrice"],
        "RRPPrice": item["RRPPrice"],
        "InStock": stock,
        "AvailableStock": stock,
        "IN_LogicalID": LOGICAL_ID,
        "LogicalWarehouseDescription": "Main",
        "PhysicalWarehouseDescription": "Warehouse",
        "WebEnabled": item["WebEnabled"],
        "Picture": "AA==",
        "LastSavedDateTime": item["LastSavedDateTime"],
    }
