"""Tasks meet real vendors' stand-ins and the real journal; nothing of Prefect runs."""

import pytest
from pydantic import SecretStr

from blocks.jetadvice import JetadviceCredentials
from blocks.jifeline import JifelineCredentials
from blocks.jiwa import JiwaCredentials
from blocks.sensorpro import SensorproCredentials
from blocks.zentitle import ZentitleCredentials
from hookline.simulators.server import running
from tasks.effects import BusinessKey

pytest.register_assert_rewrite(
    *(
        "writes",
        "main_flow",
        "credited_orders",
        "renewed_licenses",
        "tried_products",
        "synced_customers",
        "billed_meters",
    )
)


@pytest.fixture(scope="session")
async def simulators(dialect):
    async with running() as sandbox:
        sandbox.speak(dialect)
        yield sandbox


@pytest.fixture
def sandbox(simulators, database, database_settings, environment):
    """The vendors as if just started, and an empty journal that gives nothing time to land."""
    environment.setenv("HOOKLINE_HOME", str(database_settings.home))
    environment.setenv("HOOKLINE_LANDING_SECONDS", "0")
    environment.setenv("HOOKLINE_TAKE_BACK_SECONDS", "0")
    simulators.reset()
    return simulators


@pytest.fixture
def business():
    return BusinessKey("workflow", "key", "thing 7")


@pytest.fixture
def jiwa(sandbox):
    return JiwaCredentials(base_url=sandbox.jiwa.url, api_key=SecretStr("sandbox-jiwa-key"))


@pytest.fixture
def zentitle(sandbox):
    key = SecretStr("sandbox-zentitle-key")
    return ZentitleCredentials(base_url=sandbox.zentitle.url, customer_id="1234", api_key=key)


@pytest.fixture
def sensorpro(sandbox):
    return SensorproCredentials(
        base_url=sandbox.sensorpro.url,
        organization="sandbox",
        user="api@sandbox.example",
        password=SecretStr("sandbox-sensorpro-password"),
        api_key=SecretStr("00000000-0000-4000-8000-00000000c0de"),
    )


@pytest.fixture
def jetadvice(sandbox):
    password = SecretStr("sandbox-jetadvice-password")
    login = sandbox.jetadvice.dialect.settings().get("JETADVICE_LOGIN", "basic")
    return JetadviceCredentials(
        base_url=sandbox.jetadvice.url, username="api@sandbox.example", password=password, login=login
    )


@pytest.fixture
def jifeline(sandbox):
    secret = SecretStr("sandbox-jifeline-secret")
    return JifelineCredentials(
        base_url=sandbox.jifeline.url, client_id="sandbox-jifeline", client_secret=secret
    )


@pytest.fixture
def shop(sandbox, environment, jiwa, zentitle, sensorpro):
    """A firm whose orders the main flow works on; a vendor that is away is tried again at once."""
    environment.setenv("HOOKLINE_RETRY_SECONDS", "0.1")
    environment.setenv("HOOKLINE_PROBE_SECONDS", "0.1")
    from main_flow import Shop, stored

    with stored(jiwa, zentitle, sensorpro):
        yield Shop(sandbox, jiwa)
