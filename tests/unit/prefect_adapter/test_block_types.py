"""The block types of Prefect and its collections, which a server brings into its database once."""

import os
import subprocess
import sys

PROGRAM = """
import asyncio
from hookline.prefect_adapter import serving

brought = []

async def bring(session):
    brought.append(serving._collections())

serving.run_block_auto_registration = bring
asyncio.run(serving.migrate())
asyncio.run(serving.migrate())
serving._collections = lambda: {"prefect": "another"}
asyncio.run(serving.migrate())
print(*(sorted(packages) for packages in brought))
"""


def test_block_types_are_brought_once_and_again_by_other_packages(tmp_path):
    url = f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}"
    variables = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": url, "PREFECT_HOME": str(tmp_path)}

    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=os.environ | variables, capture_output=True, text=True
    )

    assert (0, "") == (ran.returncode, ran.stderr[-2000:] if ran.returncode else "")
    assert "['hookline', 'prefect', 'prefect-redis'] ['prefect']\n" == ran.stdout
