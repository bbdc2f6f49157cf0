"""A body is sealed before it is kept, opened where it is needed, and a lost key is told and breaks nothing."""

import json

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from rows import arrival

from hookline.errors import ConfigurationError
from hookline.hooks import load_hooks
from hookline.hooks.redaction import compile_path
from hookline.inbox import bodies, commands, deliveries, full_rows, search
from hookline.provisioning.deployments import load_deployments
from hookline.settings import Settings

NEW, OLD = (SecretStr(Fernet.generate_key().decode()) for _ in range(2))
SECRET = "sandbox-secret-of-the-shop"
BODY = json.dumps({"InvoiceID": "5244dd5e", "card": "4111 1111", "name": "Müller"}).encode()


@pytest.fixture(scope="module")
def hooks(repository):
    return load_hooks(repository / "deployments/hooks.yaml")


@pytest.fixture(scope="module")
def deployments(repository):
    return load_deployments(repository / "deployments/prefect.yaml")


@pytest.fixture
def keep(database, hooks):
    """Keep a body as the gateway does; the delivery's id."""

    async def keep(keys=(), redact=(), body=BODY, name=None):
        source = hooks.sources["jiwa"].model_copy(update={"redact": redact})
        kept, altered, _ = bodies.seal(source, keys, "application/json", body)
        receipt = await deliveries.accept(
            database,
            arrival(name or str(keys), body=kept, altered=altered),
        )
        return receipt.id

    return keep


async def stored(database, delivery):
    return tuple(await database.fetchrow("SELECT body, altered FROM deliveries WHERE id = $1", delivery))


async def test_without_keys_a_body_is_kept_as_it_came(database, keep):
    nothing_to_redact = [compile_path("$.nothing")]

    assert (BODY, []) == await stored(database, await keep())
    assert (BODY, []) == await stored(database, await keep(redact=nothing_to_redact, name="other"))


async def test_with_keys_nothing_of_a_body_stands_in_the_database(database, keep):
    delivery = await keep([NEW])

    body, altered = await stored(database, delivery)
    assert ["encrypted"] == altered
    assert [] == [word for word in (b"InvoiceID", b"5244dd5e", b"card") if word in body]
    assert {delivery: BODY} == await bodies.read(database, [delivery], [NEW])
    assert [BODY] == [row["body"] for row in await full_rows.read(database, [delivery], [NEW])]


async def test_what_is_redacted_is_not_in_what_is_sealed_either(database, keep):
    delivery = await keep([NEW], [compile_path("$.card")])

    assert ["redacted", "encrypted"] == (await stored(database, delivery))[1]
    [body] = (await bodies.read(database, [delivery], [NEW])).values()
    assert "[redacted]" == json.loads(body)["card"]


async def test_keys_are_changed_with_nothing_lost(database, keep):
    before, sealed = await keep(), await keep([OLD])
    after = await keep([NEW, OLD])

    assert {before: BODY, sealed: BODY, after: BODY} == await bodies.read(
        database, [before, sealed, after], [NEW, OLD]
    )
    assert {after: BODY} == await bodies.read(database, [after], [NEW])


async def test_a_text_is_not_looked_for_in_what_is_sealed(database, keep):
    await keep([NEW])
    clear = await keep(body=b'{"note": "gAAAA"}')

    found = await search.find(database, search.Filter(text="gAAAA"))  # as every sealed body begins

    assert [clear] == [row["id"] for row in found.deliveries]


@pytest.mark.parametrize("keys", [[], [OLD]])
async def test_a_body_whose_key_is_gone_says_so(database, keep, keys):
    delivery = await keep([NEW])

    assert {delivery: None} == await bodies.read(database, [delivery], keys)
    assert bodies.absence((await stored(database, delivery))[1]) == (
        "the body is encrypted with a key that is not in HOOKLINE_BODY_KEYS; put the key back, then start this again"
    )


async def test_a_sealed_delivery_is_routed_and_one_whose_key_is_gone_is_rejected_until_it_is_back(
    database, keep, hooks, deployments, route_received
):
    delivery = await keep([NEW])

    async def routed(keys):
        await route_received(hooks, deployments, keys)
        return tuple(
            await database.fetchrow(
                "SELECT d.state, d.reason, p.parameters FROM deliveries d LEFT JOIN dispatches p ON true"
            )
        )

    assert ("rejected", bodies.NO_KEY, None) == await routed([OLD])

    async with database.acquire() as connection:
        assert await commands.replay(connection, [delivery], actor="ann")
    assert ("dispatched", None, {"invoice_id": "5244dd5e"}) == await routed([OLD, NEW])


@pytest.fixture
async def gateway(database_settings, serve, tmp_path, environment):
    """A gateway that redacts and seals what the source `shop` sends."""
    path = tmp_path / "hooks.yaml"
    path.write_text(
        "sources: {shop: {scheme: shared-secret, header: X-Key, accept: [json, form], redact: ['$..card']}}"
    )
    environment.setenv("HOOKLINE_SECRET_SHOP", SECRET)
    async with serve(database_settings, hooks=path, body_keys=(NEW,)) as client:
        client.headers["X-Key"] = SECRET
        yield client


async def test_the_gateway_redacts_and_seals_and_still_knows_a_repeat(gateway, database):
    first = await gateway.post("/hooks/shop", content=BODY, headers={"Content-Type": "application/json"})
    again = await gateway.post("/hooks/shop", content=BODY, headers={"Content-Type": "application/json"})
    form = await gateway.post("/hooks/shop", data={"card": "4111 1111", "no": "17"})

    assert [202, 200, 202] == [answer.status_code for answer in (first, again, form)]
    rows = await database.fetch("SELECT id, altered FROM deliveries ORDER BY seq")
    assert [["redacted", "encrypted"]] * 2 == [row["altered"] for row in rows]
    kept = await bodies.read(database, [row["id"] for row in rows], [NEW])
    assert [json.loads(BODY) | {"card": "[redacted]"}, b"card=%5Bredacted%5D&no=17"] == [
        json.loads(kept[rows[0]["id"]]),
        kept[rows[1]["id"]],
    ]


async def test_what_cannot_be_redacted_is_refused_in_words_and_nothing_is_kept(gateway, database):
    deep = b'{"a":' * 150 + b"1" + b"}" * 150

    answer = await gateway.post("/hooks/shop", content=deep, headers={"Content-Type": "application/json"})

    assert (400, 0) == (answer.status_code, await database.fetchval("SELECT count(*) FROM deliveries"))
    assert "more than 100 values" in answer.json()["detail"]


@pytest.mark.parametrize("keys", ["short", f"{'A' * 43}=,sécret", "A" * 43 + "=, ,B"])
def test_a_malformed_key_is_named_at_the_start_and_not_shown(environment, keys):
    environment.setenv("HOOKLINE_BODY_KEYS", keys)

    with pytest.raises(ConfigurationError, match=r"HOOKLINE_BODY_KEYS: .*is no Fernet key") as told:
        Settings.from_environment()
    assert not [key for key in keys.split(",") if key.strip() and f" {key}" in str(told.value)]


def test_keys_are_read_newest_first_and_stay_secret(environment):
    environment.setenv("HOOKLINE_BODY_KEYS", f" {NEW.get_secret_value()} ,{OLD.get_secret_value()},")

    settings = Settings.from_environment()

    assert (NEW, OLD) == settings.body_keys
    assert NEW.get_secret_value() not in repr(settings)
