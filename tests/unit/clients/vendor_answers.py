"""Answers of vendors, made by hand, and JSON as odd as a vendor may send it."""

import json

import httpx
from hypothesis import strategies as st


def answer(value=None, status=200, **options):
    """A response with this value as JSON; without a value its body is empty."""
    return httpx.Response(status, content=b"" if value is None else json.dumps(value).encode(), **options)


NAMES = {
    "http": "title detail error error_description message errors code id data next",
    "jiwa": "ResponseStatus ErrorCode Errors Message Results InvoiceID RecID Id SessionId Lines QuantityOrdered Total",
    "zentitle": """licenseCode features featureDetails systemInfo clientInfo groupUsers parameterValue notes created
                   companyID company userName groupID productId enabled trialPeriod Message""",
    "sensorpro": """Result TotalErrors ErrorMessages StatusMesssages Contact Contacts Total Links ImportId Tags Sequence
                    Token ExpiresIn Url BroadcastId TotalSent""",
    "jetadvice": """token Key customerId deviceId levelId userId tagId viewId reportId rangeId dataCollectorId counters
                    supplies alerts tagIds total copy levelPercent since lastReport ReportRequestGuid Status Files FileId
                    Size name""",
    "jifeline": """query result total next_token id state ticket_number created_at ticket_id product_id quantity amount
                   unit_gross_price company_name email_address contact_point_id enabled payload
                   ticket customer parent_ticket pin address detail title errors field message error error_description
                   access_token expires_in unfinished""",
}
TEXTS = st.text(max_size=8) | st.sampled_from(
    [
        "",
        "OK",
        "1900-01-01T00:00:00",
        '{"a":',
        "[1]",
        "9" * 40,
        "ON",
        "a : 1",
        "12",
        "8595e2ecc3e0fad7002bfc0b99051c2a5a3b",
    ]
)


def json_of(vendor):
    """Any JSON, with the names of a vendor's fields in its objects."""
    names = st.sampled_from(NAMES[vendor].split()) | st.text(max_size=5)
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
        max_leaves=12,
    )


def body_of(vendor):
    """Bytes, or JSON; for Sensorpro often with the `Result` of a call that worked."""
    value = json_of(vendor)
    if vendor == "sensorpro":
        done = {"Result": {"TotalErrors": 0, "ErrorMessages": []}}
        value |= value.map(lambda each: each | done if isinstance(each, dict) else each)
    return st.binary(max_size=200) | value.map(lambda each: json.dumps(each).encode())
