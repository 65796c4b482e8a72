"""Nothing in process: managed identity, Resource Manager and TDS on loopback, the real SDK, the real driver, a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from simulator.azure import Azure
from simulator.reach.server import Background, start_in_thread
from simulator.sql.servers import LOGIN_MANAGER, SqlServer
from tests.shared.sql_rig import ADMIN, FIRST, SQL_ACTIONS, TEMPLATE

ROOT = Path(__file__).parents[2]
SECOND = "S3cond-password-nobody-uses"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Background[Azure]]:
    with start_in_thread(lambda domains: Azure(domains=domains)) as running:
        yield running


@pytest.fixture
def server(cloud: Background[Azure], request: pytest.FixtureRequest) -> SqlServer:
    """A SQL server of the test's own, added while the cloud is running."""
    world = cloud.world
    server = world.sql.add_server(f"orders{abs(hash(request.node.name))}", ADMIN, FIRST)
    server.operation_time = timedelta(milliseconds=200)
    server.add_database("shop")
    app = world.managed_identity.system = world.identities.add("rekey")
    world.grant(app, SQL_ACTIONS, server.resource_id.partition("/providers/")[0])
    server.grant(app, LOGIN_MANAGER)
    return server


async def rotated(
    cloud: Background[Azure], kind: str, tags: dict[str, str], held: str = FIRST
) -> tuple[str, dict[str, str]]:
    """Rotate in a process of its own; return the login and the template's fields."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.rotators.sql_rotate", kind, json.dumps(tags),
        cwd=ROOT, env={**os.environ, **cloud.running.environment},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(held.encode()), 60)
    assert process.returncode == 0, err.decode()
    name, fields = json.loads(out)
    assert not [text for text in (held, fields["password"]) if text.encode() in err]
    return name, fields


async def test_an_administrators_password_is_rotated(
    cloud: Background[Azure], server: SqlServer
) -> None:
    name, fields = await rotated(
        cloud, "sql-admin-password", {"ProviderAddress": server.resource_id}
    )
    assert (name, fields["server"]) == (ADMIN, server.fqdn)
    assert server.administrator.newest == fields["password"] != FIRST


async def test_two_logins_alternate_and_the_old_one_is_retired(
    cloud: Background[Azure], server: SqlServer
) -> None:
    old, new = server.add_login("app_a", FIRST, "shop"), server.add_login("app_b", SECOND, "shop")
    tags = {
        "ProviderAddress": server.resource_id,
        "Logins": "app_a,app_b",
        "ValueTemplate": TEMPLATE,
    }
    name, fields = await rotated(cloud, "sql-login-password", tags)
    assert name == "app_b"
    assert new.newest == fields["password"]
    assert old.newest not in (FIRST, fields["password"])
