"""`rekey adopt --create`: a credential that is in no vault comes under management.

Its value passes no shell, and whoever dies between any two calls types the command again.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from simulator.entra.directory import Application
from simulator.reach.sabotage import Mode
from tests.cli.desk import Desk, Ran, struck
from tests.rotators.sas_scenes import EXTENT, KEY, SAS, SasScene
from tests.shared.application_rig import OWNED_BY
from tests.shared.scene import state
from tests.unchanged import unchanged


def create(desk: Desk, provider: str, *arguments: str) -> Ran:
    return desk.run("adopt", "prod/new", "--provider", provider, "--create", "--yes", *arguments)


def test_the_key_of_a_resource_becomes_a_secret_and_nothing_is_changed_at_the_source() -> None:
    desk = Desk()
    account = desk.account("newdata")
    keys = {name: key.value for name, key in account.keys.items()}
    ran = create(desk, account.resource_id, "--owner", "team-a")
    assert ran.code == 0, ran.err
    assert desk.latest("new").value == keys["key1"]
    assert {name: key.value for name, key in account.keys.items()} == keys
    assert desk.tags("new") == {
        "ProviderAddress": account.resource_id,
        "ValidityPeriodDays": "90",
        "Owner": "team-a",
        "CredentialId": "key1",
    }
    assert not [value for value in keys.values() if value in ran.out + ran.err]


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [
        ("--credential-id", "key2", "{key2}"),
        ("--template", "Name={account};Key={key}", "Name=newdata;Key={key1}"),
    ],
)
def test_the_named_key_is_taken_and_a_connection_string_is_made_around_it(
    option: str, text: str, expected: str
) -> None:
    desk = Desk()
    account = desk.account("newdata")
    keys = {name: key.value for name, key in account.keys.items()}
    assert create(desk, account.resource_id, option, text).code == 0
    assert desk.latest("new").value == expected.format(**keys)


def an_application() -> tuple[Desk, Application]:
    """Return a desk that may rotate an application, as the app may, without any credential."""
    desk = Desk()
    application = desk.world.add_application("billing", desk.ada, desk.identity)
    desk.world.directory.grant(desk.identity, OWNED_BY)
    desk.bound.append(application.app_id)
    scopes = {desk.vault.url: [desk.group, application.app_id]}
    desk.environment = {"REKEY_SCOPES": json.dumps(scopes)}
    return desk, application


@pytest.mark.parametrize("kind", ["storage-key", "service-principal-secret"])
def test_what_was_created_is_managed_and_rotates(kind: str) -> None:
    desk, application = an_application()
    provider = desk.account("newdata").resource_id if kind == "storage-key" else application.app_id
    ran = create(desk, provider, "--rotator", kind)
    assert ran.code == 0, ran.err
    assert desk.run("status", "--json").json["counts"]["ok"] == 1
    first = desk.latest("new").value
    desk.clock.advance(86_400)
    item = desk.item("new", trigger="manual", force=True)
    asyncio.run(desk.service().rotate(item.to_json(), 1))
    assert desk.latest("new").value != first
    assert desk.run("status", "--json").json["counts"]["ok"] == 1


def test_an_application_gets_a_certificate_of_its_own() -> None:
    desk, application = an_application()
    desk.world.grant(desk.ada, ("*",), desk.vault.resource_id)
    ran = create(desk, application.app_id, "--rotator", "service-principal-certificate")
    assert ran.code == 0, ran.err
    assert desk.run("status", "--json").json["counts"]["ok"] >= 1


def test_a_secret_that_is_created_again_holds_another_certificate_than_the_one_that_was_removed() -> (
    None
):
    """Every first version is made by the same operation, and Key Vault keeps what that has made."""
    desk, application = an_application()
    desk.world.grant(desk.ada, ("*",), desk.vault.resource_id)
    words = ("--rotator", "service-principal-certificate")
    assert create(desk, application.app_id, *words).code == 0
    first = desk.latest("new").value
    for key in application.keys(desk.clock.now()):
        desk.world.directory.remove_certificate(application, key)
    desk.vault.delete("new")
    desk.vault.deleted.clear()
    desk.clock.advance(600)
    ran = create(desk, application.app_id, *words)
    assert ran.code == 0, ran.err
    assert desk.latest("new").value != first
    assert len(application.keys(desk.clock.now())) == 1


def test_a_certificate_that_takes_long_is_made_once_for_a_secret_that_is_created() -> None:
    desk, application = an_application()
    desk.world.grant(desk.ada, ("*",), desk.vault.resource_id)
    desk.vault.creation_delay = timedelta(seconds=60)
    words = ("--rotator", "service-principal-certificate")
    assert create(desk, application.app_id, *words).code != 0
    desk.clock.advance(60)
    ran = create(desk, application.app_id, *words)
    assert ran.code == 0, ran.err
    assert [len(made) for made in desk.vault.certificates.values()] == [1]


@pytest.mark.parametrize("mode", ["die after", "lose the answer"])
@pytest.mark.parametrize("kind", ["storage-key", "service-principal-secret"])
def test_who_dies_at_any_call_tries_again_and_one_credential_lives(kind: str, mode: Mode) -> None:
    at, goes_on = 0, True
    while goes_on:
        desk, application = an_application()
        account = desk.account("newdata")
        keys = {name: key.value for name, key in account.keys.items()}
        provider = account.resource_id if kind == "storage-key" else application.app_id
        words = ("adopt", "prod/new", "--provider", provider, "--create", "--yes")
        goes_on = struck(desk, at, mode, *words)
        desk.clock.advance(120)
        ran = create(desk, provider, "--json")
        assert (ran.code, ran.err) == (0, ""), at
        assert ran.json["status"] in ("created", "adopted already"), at
        before = state(desk)
        again = create(desk, provider, "--json")
        assert (again.json["status"], state(desk)) == ("adopted already", before)
        alive = [password.secret for password in application.passwords(desk.clock.now())]
        assert alive == ([] if kind == "storage-key" else [desk.latest("new").value]), at
        assert {name: key.value for name, key in account.keys.items()} == keys
        assert len(desk.vault.versions("new")) == 1
        at += 1


def test_a_vault_that_does_not_show_the_first_version_yet_costs_it_nothing() -> None:
    """What the vault's version holds was made by the same operation, which cleans up after itself."""
    desk, application = an_application()
    assert create(desk, application.app_id).code == 0
    hidden = desk.vault.secrets.pop("new")
    create(desk, application.app_id).ends(4, "type it again at 09:01:01Z")
    desk.vault.secrets["new"] = hidden
    (alive,) = application.passwords(desk.clock.now())
    assert alive.secret == desk.latest("new").value


def test_a_signature_is_made_from_the_key_that_another_secret_holds() -> None:
    desk = Desk()
    signature = SasScene(rig=desk)
    signature.manage(consent=f"new={EXTENT}")
    del desk.vault.secrets[SAS]
    key = f"{desk.vault.url}/secrets/{KEY}"
    ran = create(desk, signature.address, "--derived-from", key)
    assert ran.code == 0, ran.err
    assert "sig=" in str(desk.latest("new").value)


def test_a_dry_run_says_what_would_be_created_and_changes_nothing() -> None:
    desk = Desk()
    account = desk.account("newdata")
    with unchanged(desk):
        ran = create(desk, account.resource_id, "--dry-run", "--json")
    assert (ran.code, ran.json["status"], ran.json["version"]) == (0, "would be created", None)


def test_a_secret_that_exists_is_adopted_and_not_created() -> None:
    desk = Desk()
    account = desk.account("newdata")
    desk.vault.put("new", "somebody-elses")
    create(desk, account.resource_id).ends(5, "adopt it without --create")


def test_a_password_that_is_in_use_is_not_replaced_only_to_have_a_value() -> None:
    desk = Desk()
    server = desk.world.sql.add_server("shop", "sqladmin", "F1rst-password-nobody-uses")
    create(desk, server.resource_id).ends(5, "then adopt it without --create")


def test_a_source_of_another_secret_is_refused() -> None:
    desk = Desk()
    desk.secret("app", desk.account("appdata"), days_left=80)
    create(desk, desk.world.accounts["appdata"].resource_id).ends(5, "is the source of")
