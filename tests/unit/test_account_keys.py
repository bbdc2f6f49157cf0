"""The account in keys and labels: a second account with the same ids never meets the first."""

import pytest

from hookline.account_keys import account_in, id_of, key_at, label_at, source_of
from tasks.effects import BusinessKey


def test_a_key_of_default_accounts_is_the_id_itself():
    assert ["17", "order 17", "jiwa-orders"] == [
        key_at("17", jiwa="default", zentitle=""),
        label_at("order 17", jiwa="default"),
        source_of("jiwa-orders", "default"),
    ]


def test_a_key_of_another_account_is_one_word_with_it():
    assert "17@jiwa/north" == key_at("17", jiwa="north", zentitle="default")


def test_a_label_ends_with_the_number_by_which_people_search():
    assert "jiwa/north order 17" == label_at("order 17", jiwa="north")


@pytest.mark.parametrize("account", ["default", "north"])
def test_the_id_and_the_account_are_read_back_from_a_key(account):
    key = key_at("1001", jiwa=account)

    assert ("1001", account) == (id_of(key), account_in(key, "jiwa"))


def test_what_one_account_does_is_no_step_no_lock_and_no_token_of_another():
    here, there = (
        BusinessKey("order-to-license", "17", "order 100123").at(jiwa=account).step("license")
        for account in ("default", "north")
    )

    assert ("17", "order 100123", "[order-to-license 17: license]") == (here.key, here.label, here.token)
    assert ("17@jiwa/north", "jiwa/north order 100123", "[order-to-license 17@jiwa/north: license]") == (
        there.key,
        there.label,
        there.token,
    )
