"""What the tests of Jiwa's simulator share."""

DATE_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}"
LOGIN = {"username": "api", "password": "sandbox-jiwa-password"}


def complaint(response):
    """The status and the error code of a refusal."""
    return response.status_code, response.json()["ResponseStatus"]["ErrorCode"]
