"""`hookline operations`: what is listed, and how inputs are told."""

import json
import subprocess
import sys

import pytest

from hookline.cli.operations import (
    described,
    find_client,
    find_operation,
    inputs_of,
    operations,
    show_inputs,
    usage,
)
from hookline.clients import CLIENTS
from hookline.clients import operations as operations_of
from hookline.errors import ConfigurationError
from hookline.text import nearest

EVERY = [operation for client in CLIENTS.values() for operation in operations_of(client).values()]


def rows_of(vendor, name):
    return {row["name"]: row for row in inputs_of(find_operation(vendor, name))}


def test_every_operation_is_listed_for_machines(capsys):
    operations(as_json=True)

    listed = [
        tuple(row[key] for key in ("vendor", "operation", "verb", "path"))
        for row in json.loads(capsys.readouterr().out)
    ]

    assert [(each.vendor, each.name, each.verb, each.path) for each in EVERY] == listed


def test_a_vendor_s_operations_are_listed_for_people(capsys):
    operations("zentitle")

    lines = capsys.readouterr().out.splitlines()

    assert ["vendor", "operation", "verb", "path", "repeat", "effect"] == lines[0].split()
    assert {"zentitle"} <= {line.split()[0] for line in lines[1:] if line[:1].strip()}
    assert not [line for line in lines if line.startswith("jiwa")]


def test_one_operation_is_described_with_its_inputs(capsys):
    operations("jifeline", "get_ticket")

    described = capsys.readouterr().out

    assert "hookline call jifeline get_ticket id=…" in described
    with pytest.raises(ConfigurationError, match="Do you mean get_ticket"):
        operations("jifeline", "get_tickets")


def test_listing_does_not_load_prefect():
    """It takes seconds."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "hookline", "operations", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}

    assert "hookline" in loaded
    assert set() == loaded & {"prefect", "blocks", "sqlalchemy", "fastapi"}


@pytest.mark.parametrize("operation", EVERY, ids=lambda operation: f"{operation.vendor}.{operation.name}")
def test_every_input_is_told_and_the_needed_ones_first(operation):
    rows = described(operation)["inputs"]

    needed = [row["needed"] for row in rows]

    assert set(operation.input.model_fields) == {row["name"] for row in rows}
    assert sorted(needed, reverse=True) == needed
    assert all(row["type"] for row in rows)


@pytest.mark.parametrize(
    ("vendor", "operation", "name", "expected"),
    [
        ("jiwa", "get_sales_order", "InvoiceID", ("text", True, "")),
        ("jiwa", "login", "Password", ("secret", True, "")),
        ("jiwa", "query_sales_orders", "Take", ("whole number", False, "at least 0, at most 1000")),
        ("jiwa", "query_sales_orders", "Include", ("only Total", False, "")),
        ("jiwa", "update_sales_order", "InvoiceInitDate", ("date and time", False, "")),
        (
            "jiwa",
            "create_sales_order_payment",
            "AmountPaid",
            ("number", True, "at least -1000000000000000, at most 1000000000000000"),
        ),
        ("zentitle", "get_license_code", "getnotes", ("one of 0, 1", False, "")),
        ("zentitle", "update_license_code", "enabledforuse", ("true or false", False, "")),
        ("zentitle", "create_consumer_data", "clientinfo", ("object", True, "")),
        (
            "zentitle",
            "update_license_code",
            "udfvalues",
            ("list of object (fieldname, defaultvalue)", False, ""),
        ),
        ("sensorpro", "upsert_contacts", "SendWelcomeEmail", ("only false", False, "")),
        ("sensorpro", "upsert_contacts", "AddToList", ("list of text", False, "")),
        ("sensorpro", "send_email", "From", ("object (Email, DisplayName?)", True, "")),
    ],
)
def test_an_input_is_told_in_words(vendor, operation, name, expected):
    row = rows_of(vendor, operation)[name]

    assert expected == (row["type"], row["needed"], row["limits"])


def test_an_operation_is_told_with_all_that_matters(capsys):
    show_inputs(find_operation("zentitle", "create_license_codes"), as_json=False)

    told = capsys.readouterr().out

    for part in (
        "Generate licence codes",
        "Zentitle Web API V1, POST /api/LicenseCode",
        "readback:",
        "numcodes",
    ):
        assert part in told


def test_the_usage_shows_what_is_needed_and_what_is_json():
    shown = usage(find_operation("zentitle", "create_consumer_data"))

    assert "hookline call zentitle create_consumer_data productid=… computerid=… clientinfo:=JSON" == shown


@pytest.mark.parametrize(
    ("find", "names", "expected"),
    [
        (find_client, ["sensorpo"], "Do you mean sensorpro?"),
        (find_client, ["x"], "There is: jiwa, "),
        (find_operation, ["jiwa", "get_salesorder"], "Do you mean get_sales_order?"),
        (find_operation, ["jiwa", "x"], "hookline operations jiwa"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(find, names, expected):
    with pytest.raises(ConfigurationError) as failure:
        find(*names)

    assert expected in str(failure.value)


def test_the_nearest_name_is_found_whatever_the_case():
    assert "InvoiceID" == nearest("invoiceid", ["InvoiceID", "NoteText"])
