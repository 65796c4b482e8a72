"""Whose sign-in a deployment uses, and which cloud's Resource Manager."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import az
from scripts.deploying.signin import CHOICE, arm_endpoint, choose_sign_in

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
    program = folder / "az"
    shown = f'{{"endpoints": {{"resourceManager": "{GOVERNMENT}/"}}}}'
    program.write_text(f"#!/bin/sh\necho '{shown}'\n")
    program.chmod(0o755)


def test_the_sign_in_of_az_is_the_only_one_unless_another_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choose_sign_in()
    assert os.environ[CHOICE] == "AzureCliCredential"
    monkeypatch.setenv(CHOICE, "EnvironmentCredential")
    choose_sign_in()
    assert os.environ[CHOICE] == "EnvironmentCredential"


def test_resource_manager_is_that_of_the_cloud_that_az_is_signed_in_to(tmp_path: Path) -> None:
    put_az(tmp_path)
    assert arm_endpoint() == GOVERNMENT


def test_a_setting_names_another_resource_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_az(tmp_path)
    monkeypatch.setenv("REKEY_ARM_ENDPOINT", "https://arm.example/")
    assert arm_endpoint() == "https://arm.example"


def test_without_az_it_is_the_public_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert arm_endpoint() == "https://management.azure.com"
    monkeypatch.setenv(CHOICE, "AzureDeveloperCliCredential")
    assert arm_endpoint() == "https://management.azure.com"
