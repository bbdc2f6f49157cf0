"""Whom a write reaches is taken from its inputs, and nothing else is."""

import pytest

from hookline.journal.whom import whom

TRIGGERED = {
    "CampId": "7d5e",
    "BroadcastId": 12,
    "ContactData": {
        "PersonalEMail": "ann@harbour.example",
        "FirstName": "Ann",
        "LastName": "Lee",
        "Password": "x",
    },
    "NamedPairsParameters": {"order": "100123", "company": "Harbour Print", "token": "secret"},
}


@pytest.mark.parametrize(
    ("inputs", "operation", "expected"),
    [
        (
            TRIGGERED,
            "sensorpro.trigger_email",
            {"name": "Ann Lee", "mail to": "ann@harbour.example", "company": "Harbour Print"},
        ),
        ({"name": "Harbour Print"}, "zentitle.create_company", {"company": "Harbour Print"}),
        ({"name": "a note"}, "zentitle.create_license_note", {}),
        (
            {"from": {"email": "us@firm.example"}, "to": [{"email": "a@b.example"}]},
            "v.send",
            {"mail to": "a@b.example"},
        ),
        ({"email": "none"}, "v.send", {}),
        ({"emails": "x", "password": "hunter22", "api_key": "k" * 30}, "v.o", {}),
        ({"order_no": 7, "debtorAccountNo": "1004"}, "v.o", {"order": "7", "customer number": "1004"}),
        (
            {"lines": [{"email": f"{n}@b.example"} for n in range(9)]},
            "v.o",
            {"mail to": "0@b.example, 1@b.example, 2@b.example"},
        ),
        ({"company": "a\u202eb\nc"}, "v.o", {"company": "a\\u{202e}b c"}),
        ({"company": "x" * 5000}, "v.o", {"company": "x" * 199 + "…"}),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"email": "deep@b.example"}}}}}}}, "v.o", {}),
        ("a text", "v.o", {}),
        (None, "v.o", {}),
    ],
)
def test_addresses_names_and_numbers_are_taken_and_nothing_else(inputs, operation, expected):
    assert expected == whom(inputs, operation)
