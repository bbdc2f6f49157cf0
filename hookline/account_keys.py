"""
Keys and labels that carry the account: a vendor's id is unique within its account alone, and another may have the same.

Of `default` accounts they read as the id itself. The name of the block is what makes an account; its log-in may change.
"""

from typing import Final

DEFAULT: Final = "default"
"""The name of the block that a firm with one account of a vendor has."""


def key_at(key: str, **accounts: str) -> str:
    """
    Return a key as it is unique among all accounts, such as `5244dd5e@jiwa/north`.

    It is one word with the id, so that an ordering key still ends with the business key.

    Args:
        key: the id.
        accounts: by vendor, the name of the block whose id it is.
    """
    return "@".join([key, *_others(accounts)])


def label_at(label: str, **accounts: str) -> str:
    """Return a label that says the account, such as `jiwa/north order 100123`; the number stays last, to be found."""
    return " ".join([*_others(accounts), label])


def id_of(key: str) -> str:
    """Return the vendor's id in a key."""
    return key.partition("@")[0]


def account_in(key: str, vendor: str) -> str:
    """Return the name of the account of this vendor that a key carries."""
    names = [each.removeprefix(f"{vendor}/") for each in key.split("@")[1:] if each.startswith(f"{vendor}/")]
    return names[-1] if names else DEFAULT


def other_than_default(**accounts: str) -> dict[str, str]:
    """Return those of the accounts, by vendor, that are not the `default` ones."""
    return {vendor: name for vendor, name in accounts.items() if name not in ("", DEFAULT)}


def source_of(source: str, account: str) -> str:
    """Return the source of another account: `jiwa-north` beside `jiwa`."""
    return source if account in ("", DEFAULT) else f"{source}-{account}"


def _others(accounts: dict[str, str]) -> list[str]:
    return [f"{vendor}/{name}" for vendor, name in other_than_default(**accounts).items()]
