"""Jiwa's inventory: parts, their list with its heavy pictures, and what is in no stock."""

import pytest
from jiwa_calls import complaint


async def listed(jiwa, **query):
    return (await jiwa.get("/Queries/InventoryItemList", params=query)).json()["Results"]


async def item(jiwa, part):
    [row] = await listed(jiwa, PartNo=part)
    return (await jiwa.get(f"/Inventory/{row['InventoryID']}")).json()


async def test_an_item_is_found_by_its_part_number_and_read_by_its_key(jiwa):
    [row] = await listed(jiwa, PartNo="LIC-PRO")

    found = (await jiwa.get(f"/Inventory/{row['InventoryID']}")).json()

    assert (row["Description"], row["SellPrice"]) == (found["Description"], found["DefaultPrice"])


async def test_the_list_shows_the_status_as_a_number_and_a_picture_unless_fields_are_named(jiwa):
    [row] = await listed(jiwa, PartNo="TON-CYN-410")
    [thin] = await listed(jiwa, PartNo="TON-CYN-410", Fields="PartNo,InStock")

    assert (0, "AA==", 14) == (row["Status"], row["Picture"], row["InStock"])
    assert {"PartNo": "TON-CYN-410", "InStock": 14} == thin
    assert "e_InventoryStatusActive" == (await item(jiwa, "TON-CYN-410"))["Status"]


@pytest.mark.parametrize("part", ["DIAG-INIT", "DIAG-CODE", "DIAG-CALIB", "LIC-PRO", "LIC-TEAM"])
async def test_services_have_a_price_and_no_stock(jiwa, part):
    found = await item(jiwa, part)

    assert (False, True, 0) == (
        found["PhysicalItem"],
        found["DefaultPrice"] > 0,
        found["WarehouseSOHs"][0]["TotalSOH"],
    )


async def test_cartridges_of_all_colours_are_in_stock(jiwa):
    found = await listed(jiwa, PartNoLike="TON-%-410", InStockGreaterThan=0, OrderBy="PartNo")

    assert [f"TON-{colour}-410" for colour in ("BLK", "CYN", "MAG", "YEL")] == [
        each["PartNo"] for each in found
    ]


async def test_an_item_is_added_changed_and_sold_at_its_new_price(jiwa):
    body = {"PartNo": "KEY-1", "Description": "Key", "DefaultPrice": "12.5"}
    made = await jiwa.post("/Inventory", json=body)
    key = f"/Inventory/{made.json()['InventoryID']}"
    old = (
        await jiwa.post("/SalesOrders", json={"DebtorAccountNo": "1001", "Lines": [{"PartNo": "key-1"}]})
    ).json()

    changed = await jiwa.patch(key, json={"DefaultPrice": 20, "status": "e_inventorystatusslow", "Tpyo": 1})
    new = (
        await jiwa.post("/SalesOrders", json={"DebtorAccountNo": "1001", "Lines": [{"PartNo": "KEY-1"}]})
    ).json()

    assert (201, 200, "Key", "e_InventoryStatusSlow") == (
        made.status_code,
        changed.status_code,
        changed.json()["Description"],
        changed.json()["Status"],
    )
    assert changed.json() == (await jiwa.get(key)).json()
    assert made.json()["LastSavedDateTime"] < changed.json()["LastSavedDateTime"]
    assert [12.5, 20] == [order["Lines"][0]["PriceExGst"] for order in (old, new)]
    assert [12.5] == [
        each["PriceExGst"] for each in (await jiwa.get(f"/SalesOrders/{old['InvoiceID']}")).json()["Lines"]
    ]


async def test_an_items_custom_field_is_set(jiwa):
    found = await item(jiwa, "LIC-PRO")
    value = {"SettingID": found["CustomFieldValues"][0]["SettingID"], "Contents": "6453300110"}

    changed = await jiwa.patch(f"/Inventory/{found['InventoryID']}", json={"CustomFieldValues": [value]})

    assert "6453300110" == changed.json()["CustomFieldValues"][0]["Contents"]


async def test_an_item_cannot_take_the_part_number_of_another(jiwa):
    key = f"/Inventory/{(await item(jiwa, 'LIC-PRO'))['InventoryID']}"

    in_use = await jiwa.patch(key, json={"PartNo": "LIC-TEAM"})
    own = await jiwa.patch(key, json={"PartNo": "LIC-Pro"})

    assert (409, "JiwaException") == complaint(in_use)
    assert "LIC-Pro" == own.json()["PartNo"]
