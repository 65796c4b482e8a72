"""A secret is named by vault and name or URL; a typing error is answered with what was meant."""

from __future__ import annotations

import pytest

from tests.cli.desk import Desk, managing


def a_desk() -> Desk:
    return managing(name="billing-storage")


def two(desk: Desk) -> dict[str, str]:
    """Return settings with a second vault."""
    return desk.beside(desk.world.add_vault("stage"))


@pytest.mark.parametrize(
    "name",
    [
        "prod/billing-storage",
        "PROD/billing-storage",
        "billing-storage",
        "https://prod.vault.azure.net/secrets/billing-storage",
        "https://prod.vault.azure.net/secrets/billing-storage/0123456789abcdef",
    ],
)
def test_a_secret_is_named_by_vault_and_name_by_url_or_in_one_vault_by_name(name: str) -> None:
    assert a_desk().run("show", name, "--json").json["secret"] == "billing-storage"


def test_a_name_that_one_of_several_vaults_has_names_its_vault() -> None:
    desk = a_desk()
    env = two(desk)
    assert desk.run("show", "billing-storage", "--json", env=env).json["vault"] == "prod"
    ran = desk.run("rotate", "billing-storage", "--force", "--dry-run", env=env)
    assert (ran.code, "vault       prod" in ran.out) == (0, True)


def test_a_name_that_several_vaults_have_is_answered_with_all_of_them() -> None:
    desk = a_desk()
    env = two(desk)
    desk.world.vaults["stage"].put("billing-storage", "x")
    ran = desk.run("rotate", "billing-storage", env=env)
    assert (ran.code, ran.out) == (5, "")
    assert "several vaults have a secret billing-storage" in ran.err
    assert "Fix: write prod/billing-storage or stage/billing-storage" in ran.err


def test_a_name_that_no_vault_has_is_answered_with_how_to_write_it() -> None:
    desk = a_desk()
    ran = desk.run("rotate", "biling", env=two(desk))
    ran.ends(5, "no vault has a secret 'biling'", "such as prod/biling: prod, stage")


@pytest.mark.parametrize(
    "command", ["rotate", "retire", "restore", "unpark", "show", "history", "wait"]
)
def test_a_mistyped_secret_is_answered_with_the_one_that_was_perhaps_meant(command: str) -> None:
    ran = a_desk().run(command, "prod/biling-storage")
    assert ran.code == 5
    assert ran.err == (
        "rekey: there is no secret prod/biling-storage. Fix: did you mean prod/billing-storage?\n"
    )


def test_a_secret_like_no_other_is_answered_with_where_all_are_shown() -> None:
    assert "rekey status shows those that there are" in a_desk().run("show", "prod/xyz").err


def test_a_secret_that_is_to_be_adopted_and_mistyped_is_answered_so_too() -> None:
    desk = a_desk()
    desk.vault.put("legacy-key", "x")
    ran = desk.run("adopt", "prod/legacy-kye", "--provider", desk.account("new").resource_id)
    assert "did you mean prod/legacy-key?" in ran.err


@pytest.mark.parametrize("line", ["status --vault prd", "show prd/billing-storage"])
def test_a_mistyped_vault_is_answered_with_the_one_that_was_perhaps_meant(line: str) -> None:
    a_desk().run(*line.split()).ends(5, "did you mean prod?")


def test_a_vault_may_be_named_by_its_url() -> None:
    desk = a_desk()
    assert desk.run("status", "--vault", f"{desk.vault.url}/").code == 0
