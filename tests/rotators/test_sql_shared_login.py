"""One login named in two ways is one source.

`CredentialId=app_a` in one secret and `Logins=app_a,app_b` in another.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.errors import LeaseUnavailable
from tests.shared.sql_product import NAME, SqlProduct, sql
from tests.shared.sql_rig import FIRST

OTHER = "one-login"


@pytest.fixture
def rig() -> SqlProduct:
    """A server with two logins, a secret for both of them, and another one for the first alone."""
    rig = sql("two logins")
    tags = {
        "ProviderAddress": rig.server.resource_id,
        "ValidityPeriodDays": "90",
        "CredentialId": "APP_A",
    }
    due = rig.clock.now() + timedelta(days=10)
    rig.vault.put(OTHER, FIRST, expires=due, tags=tags | {"Rotator": "sql-login-password"})
    return rig


async def rotate(rig: SqlProduct, name: str, **fields: bool) -> str:
    """Rotate and return why it was parked, if it was."""
    await rig.work(name, version=rig.latest(name).version, **fields)
    return (rig.latest(name).tags or {}).get("RekeyReason", "")


@pytest.mark.parametrize(("first", "second"), [(NAME, OTHER), (OTHER, NAME)])
async def test_the_secret_that_comes_second_is_parked_and_changes_nothing(
    rig: SqlProduct, first: str, second: str
) -> None:
    assert await rotate(rig, first) == ""
    before = {name: login.newest for name, login in rig.server.logins.items()}
    assert f"belongs to the secret {rig.vault.url}/secrets/{first}" in await rotate(rig, second)
    assert {name: login.newest for name, login in rig.server.logins.items()} == before


async def test_two_workers_never_change_one_login_at_a_time(rig: SqlProduct) -> None:
    service = rig.service()
    source = f"{rig.server.resource_id.lower()}/logins/app_a"
    async with service.engine.leases.hold(source, str(rig.item(NAME).ref)):
        with pytest.raises(LeaseUnavailable):
            await service.engine.handle(rig.item(NAME))
    assert rig.server.logins["app_a"].newest == FIRST
    assert await rotate(rig, NAME) == ""
    assert len(rig.vault.versions(NAME)) == 2
