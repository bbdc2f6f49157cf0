"""The gateway keeps what its OpenAPI document says, whatever schemathesis thinks of to send."""

import asyncio
import json
import sys

KEY = "sandbox-secret-of-jiwa-1"
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


async def schemathesis(document, url, folder):
    file = folder / "openapi.json"
    file.write_text(json.dumps(document))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", str(file), "--url", str(url)),
        *("--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing", "--max-examples", "5"),
        *("--generation-database", "none", "--header", f"X-Hookline-Key:{KEY}", "--warnings", "off"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_the_gateway_does_what_its_document_says(
    database, database_settings, serve, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOOKLINE_SECRET_JIWA", KEY)
    monkeypatch.setenv("HOOKLINE_SECRET_STANDARD", STANDARD)
    async with serve(database_settings, max_failed_auth=100_000) as gateway:
        document = (await gateway.get("/openapi.json")).json()
        [source] = document["paths"]["/hooks/{source}"]["post"]["parameters"]
        source["schema"]["enum"] = ["jiwa", "standard", "nobody"]
        status, said = await schemathesis(document, gateway.base_url, tmp_path)

    assert 0 == status, said
    assert await database.fetchval("SELECT count(*) FROM deliveries") > 0


async def test_the_document_names_no_source(database_settings, serve):
    async with serve(database_settings) as gateway:
        text = (await gateway.get("/openapi.json")).text

    assert "/hooks/{source}" in text
    assert "jiwa" not in text
