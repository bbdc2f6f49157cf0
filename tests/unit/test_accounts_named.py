"""Accounts that files and the environment name: what a route does with them, and what is told of mistakes."""

import pytest
from pydantic import SecretStr

from blocks.jiwa import JiwaCredentials
from blocks.zentitle import ZentitleCredentials
from hookline.catalog import read_catalog
from hookline.errors import ConfigurationError
from hookline.health.environment import check_shared_secrets, check_variables
from hookline.hooks import TemplateError, load_hooks
from hookline.provisioning.accounts import named_accounts, problems
from hookline.settings import secrets_of_environment, settings, simulator_environment
from hookline.shipped.jiwa import JiwaSettings

HOOKS = """
sources:
  jiwa-north: {{preset: jiwa, header: X-Hookline-Key}}
  jiwa-orders-north:
    poll: {{operation: jiwa.query_sales_orders, account: north}}
routes:
  north:
    source: jiwa-north
    deployment: order-to-license/default
    parameters: {{invoice_id: "{{{{ body.id }}}}"}}
    blocks: {blocks}
    key: "{key}"
    label: "order {{{{ body.no }}}}"
"""
BODY = {"body": {"id": "5244dd5e", "no": "100123", "jiwa": "south"}}


@pytest.fixture
def hooks(tmp_path):
    def load(blocks="{jiwa: north}", key="jiwa order {{ body.id }}"):
        path = tmp_path / "hooks.yaml"
        path.write_text(HOOKS.format(blocks=blocks, key=key), encoding="utf-8")
        return load_hooks(path)

    return load


def test_a_route_gives_its_blocks_to_the_flow_and_its_account_to_key_label_and_about(hooks):
    [route] = hooks("{zentitle: emea, jiwa: north, sensorpro: default}").routes

    label = route.render_label(BODY)

    assert {"invoice_id": "5244dd5e", "jiwa": "north", "zentitle": "emea", "sensorpro": "default"} == (
        route.render_parameters(BODY)
    )
    assert "jiwa order 5244dd5e@jiwa/north" == route.render_key(BODY)
    assert "jiwa/north order 100123" == label.text
    assert {"jiwa": "north", "zentitle": "emea"} == label.about


def test_a_key_of_a_vendor_has_its_account_alone_so_that_all_routes_of_an_order_agree(hooks):
    keys = [hooks(blocks).routes[0].render_key(BODY) for blocks in ("{zentitle: emea}", "{jiwa: default}")]

    assert ["jiwa order 5244dd5e"] * 2 == keys


def test_a_key_of_no_vendor_has_all_accounts(hooks):
    [route] = hooks("{zentitle: emea, jiwa: north}", key="loan {{ body.id }}").routes

    assert "loan 5244dd5e@jiwa/north@zentitle/emea" == route.render_key(BODY)


def test_a_person_who_changes_the_block_of_a_copy_changes_its_key(hooks):
    [route] = hooks().routes

    assert "jiwa order 5244dd5e@jiwa/east" == route.render_key(BODY, {"jiwa": "east"})


def test_what_is_handed_over_says_its_blocks(hooks):
    [route] = hooks("{jiwa: \"{{ body.jiwa | default('default') }}\"}").routes

    keys = [route.render_key(each) for each in (BODY, {"body": {"id": "5244dd5e"}})]

    assert ["jiwa order 5244dd5e@jiwa/south", "jiwa order 5244dd5e"] == keys


def test_a_template_that_gives_no_name_of_a_block_is_refused(hooks):
    [route] = hooks('{jiwa: "{{ body.id }} and more"}').routes

    with pytest.raises(TemplateError, match=r"blocks\.jiwa: 5244dd5e and more is not the name of a block"):
        route.render_parameters(BODY)


@pytest.mark.parametrize(
    ("blocks", "problem"),
    [
        ("{jiwwa: north}", "blocks.jiwwa: there is no vendor 'jiwwa'; did you mean jiwa?"),
        ("{jiwa: North East}", "blocks.jiwa: 'North East' is not the name of a block"),
    ],
)
def test_a_mistake_in_blocks_is_told_with_its_place(hooks, blocks, problem):
    with pytest.raises(ConfigurationError) as raised:
        hooks(blocks)

    assert problem.partition(";")[0] in str(raised.value)


def test_the_environment_names_accounts_by_their_variables(environment):
    for name, value in (("BASE_URL", "https://n.example"), ("API_KEY", "the key of the north")):
        environment.setenv(f"JIWA_NORTH_EAST_{name}", value)

    account = JiwaSettings.from_environment("north-east")

    assert ["north-east"] == JiwaSettings.accounts_in({"JIWA_NORTH_EAST_API_KEY": "x", "JIWA_API_KEY": ""})
    assert ("https://n.example", "the key of the north") == (
        account.base_url,
        account.api_key.get_secret_value(),
    )
    assert "the key of the north" in secrets_of_environment()
    assert "JIWA_BASE_URL" in simulator_environment(settings())  # the default one is still a simulator


def test_what_an_account_lacks_is_named_by_its_own_variable(environment):
    environment.setenv("JIWA_NORTH_BASE_URL", "https://n.example")

    with pytest.raises(ConfigurationError, match="set JIWA_NORTH_API_KEY"):
        JiwaSettings.from_environment("north")


def test_variables_of_another_account_are_known_and_a_misspelt_one_is_not():
    found = check_variables(["JIWA_NORTH_BASE_URL", "JIWA_NORTH_API_KEY", "JIWA_NORTH_APIKEY"], None)

    assert "not a variable of Hookline: JIWA_NORTH_APIKEY" == found.detail


def jiwa(url="https://jiwa.example", key="a-key-of-Jiwa"):
    return JiwaCredentials(base_url=url, api_key=SecretStr(key))


def test_a_named_account_that_is_not_there_is_told_with_its_places_and_whose_a_block_of_that_name_is(hooks):
    emea = ZentitleCredentials(base_url="https://z.example", customer_id="1", api_key=SecretStr("z-key"))
    stored = {("jiwa", "default"): jiwa(), ("zentitle", "north"): emea}

    found = problems(named_accounts(hooks(), None, {}), stored)

    assert [("jiwa", "north")] == list(found)
    assert found["jiwa", "north"].startswith(
        "missing: sources.jiwa-orders-north, routes.north name it, and jiwa has default; "
        "the block north is one of zentitle"
    )


def test_two_blocks_with_one_log_in_are_told_to_be_one_account_and_others_are_not():
    stored = {
        ("jiwa", "default"): jiwa(),
        ("jiwa", "north"): jiwa("https://jiwa.example/"),
        ("jiwa", "east"): jiwa(key="another-key"),
    }

    found = problems({}, stored)

    assert [("jiwa", "north")] == list(found)
    assert "has the address and the log-in of jiwa/default" in found["jiwa", "north"]


def test_the_catalog_s_accounts_are_named(tmp_path, repository):
    path = tmp_path / "catalog.yaml"
    shipped = (repository / "deployments/catalog.yaml").read_text(encoding="utf-8")
    path.write_text(f"{shipped}\naccounts: {{north: {{paid_when: payments}}}}\n", encoding="utf-8")

    assert {("jiwa", "north"): ["catalog.yaml"]} == named_accounts(None, read_catalog(path), {})


def test_two_sources_with_one_secret_are_a_problem(environment, tmp_path):
    path = tmp_path / "hooks.yaml"
    path.write_text(
        "sources:\n  jiwa: {preset: jiwa, header: X-Key}\n  jiwa-north: {preset: jiwa, header: X-Key}\n",
        encoding="utf-8",
    )
    for source, secret in (("JIWA", "s" * 30), ("JIWA_NORTH", f"{'n' * 30},{'s' * 30}")):
        environment.setenv(f"HOOKLINE_SECRET_{source}", secret)

    [finding] = check_shared_secrets(load_hooks(path))

    assert ("secret of jiwa-north", "problem") == (finding.check, finding.state)
    assert "s" * 30 not in finding.detail + finding.advice
