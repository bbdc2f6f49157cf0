"""Calls go to the account's own address, whatever a path says; names and values that are secret are found."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.clients.http.addresses import address_of, name_of
from hookline.clients.http.lists import Pages, at
from hookline.clients.http.models import Read, Write, masked
from hookline.redaction import MASK

BASE = "https://api.acme.example/v1"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/orders", f"{BASE}/orders"),
        ("/orders/17?expand=lines", f"{BASE}/orders/17?expand=lines"),
        (f"{BASE}/orders?page=2", f"{BASE}/orders?page=2"),
        ("https://api.acme.example:443/v1/orders", f"{BASE}/orders"),
        ("HTTPS://API.acme.example/v1/orders", f"{BASE}/orders"),
        ("/a%20b", f"{BASE}/a%20b"),
    ],
)
def test_a_path_and_the_accounts_own_whole_address_lead_to_the_account(path, expected):
    assert expected == address_of(BASE, path)


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/v1/orders",
        "http://api.acme.example/v1/orders",
        "https://api.acme.example:8443/v1/orders",
        "https://api.acme.example/v2/orders",
        "https://api.acme.example/v1x/orders",
        "https://api.acme.example@evil.example/v1/orders",
        "https://user:pw@api.acme.example/v1/orders",
        "//evil.example/v1/orders",
        "/\\evil.example",
        "orders",
        "",
        "/../admin",
        "/orders/%2e%2e/admin",
        "/orders/%252e%252e/admin",
        "/orders/..%2fadmin",
        "/orders/..%5cadmin",
        "/orders/..;/admin",
        "/orders#part",
        "/two words",
        "/line\nbreak",
        "/käse",
        "/" + "x" * 9_000,
        "https://[::1/v1",
        "file:///etc/passwd",
    ],
)
def test_what_leads_elsewhere_is_refused_with_the_reason(path):
    with pytest.raises(ValueError, match=r"address|path"):
        address_of(BASE, path)


@given(st.text(max_size=60))
def test_no_text_leads_to_another_host(text):
    for path in (text, f"/{text}", f"https://api.acme.example{text}", f"//{text}"):
        try:
            found = urlsplit(address_of(BASE, path))
        except ValueError:
            continue
        assert ("https", "api.acme.example", True) == (
            found.scheme,
            found.netloc,
            found.path.startswith("/v1/"),
        )


def test_a_call_is_named_alike_for_each_record():
    assert "PUT /orders/…/lines/…" == name_of("PUT", "/orders/17/lines/a1b2?x=5")
    assert "GET …" == name_of("GET", "https://[x")


def test_values_under_a_secret_name_are_found_anywhere_in_a_call():
    call = Write(
        method="POST",
        path="/x?api_key=in-the-path",
        params={"Token": "in-params"},
        headers={"X-Api-Key": "in-headers"},
        body={"user": "pat", "bank": [{"IBAN": "in-body", "passWord": 4711}]},
        secret_fields=("iban",),
    )

    assert {"in-the-path", "in-params", "in-headers", "in-body", "4711"} == set(call.secrets())
    assert {"user": "pat", "bank": [{"IBAN": MASK, "passWord": MASK}]} == masked(call.body, ("iban",))


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil"},
        {"authorization": "x"},
        {"Content-Length": "1"},
        {"a b": "c"},
        {"a": "b\r\nc: d"},
        {"ä": "b"},
    ],
)
def test_headers_that_are_not_the_flows_to_set_are_refused(headers):
    with pytest.raises(ValueError):
        Read(path="/", headers=headers)


@pytest.mark.parametrize("body", [{"a": float("nan")}, {"a": {1, 2}}, "x" * (11 * 2**20)])
def test_a_body_that_cannot_be_sent_is_refused_before_anything_is_sent(body):
    with pytest.raises(ValueError):
        Write(method="POST", path="/", body=body)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("customer.email", "customer has no email; there is: id, name"),
        ("total", "it has no total; there is: customer, lines"),
        ("lines.2", "lines has no 2; it is a list of 1"),
        ("customer.name.first", "customer.name has no first; it is a text"),
    ],
)
def test_a_missing_field_is_named_with_its_place_and_what_is_there(place, said):
    answer = {"customer": {"id": "7", "name": "Pat"}, "lines": [{"sku": "a"}]}

    with pytest.raises(LookupError) as caught:
        at(answer, place)

    assert said == caught.value.args[0]
    assert ("7", "a", answer) == (at(answer, "customer.id"), at(answer, "lines.0.sku"), at(answer, ""))


@pytest.mark.parametrize(
    "declared", [{"style": "cursor", "param": "c"}, {"style": "page"}, {"style": "next"}]
)
def test_pages_that_lack_what_their_style_needs_are_refused_where_they_are_declared(declared):
    with pytest.raises(TypeError):
        Pages(**declared)
