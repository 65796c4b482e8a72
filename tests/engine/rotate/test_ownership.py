"""Whose a source is that several secrets name parts of: who is refused one part takes no other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.model.tags import BY, OPERATION
from engine.model.workitem import operation_id
from engine.secret import SecretRef
from tests.shared.scene import NAME as KEY
from tests.shared.scene import scene
from tests.shared.sql_product import KINDS, NAME, SECOND, SqlProduct
from tests.shared.sql_rig import FIRST

PASSWORDS = {"app_a": FIRST, "app_b": SECOND}


@pytest.fixture
def rig() -> SqlProduct:
    """A server with the logins `app_a` and `app_b`, and a secret for both."""
    rig = SqlProduct()
    KINDS["two logins"].setup(rig)
    return rig


def put(rig: SqlProduct, login: str, *, managed: bool = True) -> None:
    """Put a secret of the login's name for it alone."""
    tags = {"ValidityPeriodDays": "90", "CredentialId": login, "Rotator": "sql-login-password"}
    address = {"ProviderAddress": rig.server.resource_id} if managed else {}
    due = rig.clock.now() + timedelta(days=10)
    rig.vault.put(login.replace("_", "-"), PASSWORDS[login], expires=due, tags=tags | address)


async def rotate(rig: SqlProduct, name: str) -> str:
    """Rotate and return why it was parked, if it was."""
    await rig.service().rotate(rig.item(name, force=True).to_json(), 1)
    return rig.tags(name).get("RekeyReason", "")


async def test_a_secret_that_is_refused_the_second_login_does_not_keep_the_first_that_nobody_had() -> (
    None
):
    rig = SqlProduct()
    KINDS["two logins"].setup(rig)
    put(rig, "app_b")
    assert await rotate(rig, "app-b") == ""
    assert "belongs to the secret" in await rotate(rig, NAME)
    put(rig, "app_a")
    assert await rotate(rig, "app-a") == ""


async def test_a_secret_that_is_refused_the_second_login_does_not_take_the_first_from_who_had_left_it(
    rig: SqlProduct,
) -> None:
    for login in PASSWORDS:
        put(rig, login)
        assert await rotate(rig, login.replace("_", "-")) == ""
    put(rig, "app_a", managed=False)
    assert "belongs to the secret" in await rotate(rig, NAME)
    put(rig, "app_a")
    assert await rotate(rig, "app-a") == ""


async def test_a_secret_that_is_refused_nothing_has_all_logins(rig: SqlProduct) -> None:
    assert await rotate(rig, NAME) == ""
    for login in PASSWORDS:
        put(rig, login)
        assert "belongs to the secret" in await rotate(rig, login.replace("_", "-"))


async def test_a_version_that_an_unnamed_deployment_published_is_left_to_it() -> None:
    """It bears the operation that would have replaced the version that Rekey published."""
    rig = scene()
    await rig.service().rotate(rig.item(KEY).to_json(), 1)
    published = rig.latest(KEY)
    rig.clock.advance(60)
    operation = operation_id(SecretRef(rig.vault.url, KEY), published.version)
    keys = {slot: key.value for slot, key in rig.world.accounts["appdata"].keys.items()}
    rig.vault.put(KEY, keys["key1"], tags={**rig.tags(KEY), OPERATION: operation})
    await rig.service().rotate(rig.item(KEY, action="audit").to_json(), 1)
    assert "another deployment of Rekey" in rig.tags(KEY)["RekeyReason"]
    assert {slot: key.value for slot, key in rig.world.accounts["appdata"].keys.items()} == keys


async def test_a_secret_that_was_deleted_keeps_its_source_from_nobody() -> None:
    rig = scene()
    rig.secret("owner", rig.world.accounts["appdata"], holds="key2", days_left=80)
    await rig.service().rotate(rig.item("owner", action="audit").to_json(), 1)
    await rig.service().rotate(rig.item(KEY, force=True).to_json(), 1)
    assert "belongs to the secret" in rig.tags(KEY)["RekeyReason"]
    del rig.vault.secrets["owner"]
    await rig.service().rotate(rig.item(KEY, trigger="manual", force=True).to_json(), 1)
    assert "RekeyReason" not in rig.tags(KEY)


async def test_an_edited_name_of_a_deployment_parks_nothing_that_rekey_has_published() -> None:
    rig = scene()
    await rig.service().rotate(rig.item(KEY).to_json(), 1)
    rig.vault.amend(rig.latest(KEY), tags={**rig.tags(KEY), BY: "somebody else"})
    await rig.service().rotate(rig.item(KEY, action="audit").to_json(), 1)
    assert "RekeyReason" not in rig.tags(KEY)
