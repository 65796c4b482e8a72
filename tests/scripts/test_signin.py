"""Whose sign-in a deployment uses, and which cloud's Resource Manager."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.identity import CredentialUnavailableError

from scripts import az
from scripts.deploying.manager import Manager
from scripts.deploying.patience import StepError
from scripts.deploying.signin import CHOICE, arm_endpoint, choose_sign_in, signed_in
from scripts.deploying.site import Site
from tests.programs import write
from tests.scripts.loopback import over_https

GOVERNMENT = "https://management.usgovcloudapi.net"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave no `az` and no choice from outside."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in (CHOICE, "REKEY_ARM_ENDPOINT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    az.cloud.cache_clear()
    yield
    az.cloud.cache_clear()


def put_az(folder: Path) -> None:
    shown = f'{{"endpoints": {{"resourceManager": "{GOVERNMENT}/"}}}}'
    write(folder / "az", f"#!/bin/sh\necho '{shown}'\n")


def test_the_sign_in_of_az_is_taken_unless_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    choose_sign_in()
    assert os.environ[CHOICE] == "AzureCliCredential"
    monkeypatch.setenv(CHOICE, "EnvironmentCredential")
    choose_sign_in()
    assert os.environ[CHOICE] == "EnvironmentCredential"


def test_resource_manager_is_that_of_the_cloud_that_az_is_signed_in_to(tmp_path: Path) -> None:
    put_az(tmp_path)
    assert arm_endpoint() == GOVERNMENT


def test_a_setting_names_another_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_az(tmp_path)
    monkeypatch.setenv("REKEY_ARM_ENDPOINT", "https://arm.example/")
    assert arm_endpoint() == "https://arm.example"


def test_without_az_it_is_the_public_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert arm_endpoint() == "https://management.azure.com"
    monkeypatch.setenv(CHOICE, "AzureDeveloperCliCredential")
    assert arm_endpoint() == "https://management.azure.com"


CHALLENGE = 'Bearer realm="", error="insufficient_claims", claims="eyJhIjoxfQ=="'
SITE = "/subscriptions/s/resourceGroups/rekey/providers/Microsoft.Web/sites/rekey"


class Single:
    """Somebody who signed in without a second factor, as azure-identity tells of it."""

    def __init__(self, program: str) -> None:
        self._program = program

    def get_token(self, *_: str, claims: str = "", **__: Any) -> AccessToken:
        if claims:
            raise CredentialUnavailableError(
                f"Please run the following command: {self._program} login --claims-challenge eyJh"
            )
        return AccessToken("token", 4102444800)


@pytest.mark.parametrize("program", ["az", "azd auth"])
@pytest.mark.parametrize(
    "ask",
    [
        lambda sign_in, arm: Manager(sign_in, arm).send("PUT", "/subscriptions/s", "2021-04-01"),
        lambda sign_in, arm: Site(SITE, sign_in, arm).settings(),
    ],
)
def test_where_azure_asks_for_a_second_factor_the_command_that_gives_it_is_named(
    ask: Callable[[Any, str], object],
    program: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    challenge: tuple[Any, ...] = (401, {}, {"WWW-Authenticate": CHALLENGE})
    with over_https(tmp_path, lambda *_: challenge) as (arm, authority):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        with pytest.raises(StepError, match=f"Fix: {program} login --claims-challenge eyJh$"):
            ask(Single(program), arm)


def test_who_is_not_signed_in_reads_why_once_and_what_to_do(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """azure-identity says the same on stderr as well, and names a page of its own for it."""
    with pytest.raises(StepError) as caught:
        Site(SITE, signed_in(), "https://arm.example").settings()
    told = str(caught.value)
    assert "Azure CLI not found on path. Fix: sign in with az login" in told
    assert "troubleshoot" not in told
    assert not capfd.readouterr().err
