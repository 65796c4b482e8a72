"""Under azd the template is deployed ahead of it, as often as an error that passes asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from azure.core.rest import HttpResponse

from scripts.deploying import ahead
from scripts.deploying.manager import Manager
from scripts.deploying.patience import StepError
from simulator.account.deployments import API_VERSIONS
from tests.programs import write
from tests.scripts.deployed_app import Clock, Credential
from tests.scripts.loopback import over_https

PROVIDERS = ("2021-04-01", "2022-09-01")
"""Versions with which Azure/azure-cli registers a provider, earlier and now."""
ENV = {"AZURE_SUBSCRIPTION_ID": "s", "AZURE_RESOURCE_GROUP": "rekey"}
COMPILED = {"templateJson": '{"resources": []}', "parametersJson": '{"parameters": {"name": {}}}'}
EVENTS = {"code": "DeploymentFailed", "details": [{"code": "Managed Identity Authorization Error"}]}
BROKEN = {"code": "InvalidTemplate", "message": "vault prod uses access policies"}


@dataclass
class Arm:
    """A Resource Manager that refuses a template as often as it is told to."""

    url: str = ""
    errors: list[dict[str, Any]] = field(default_factory=list)
    sent: list[Any] = field(default_factory=list)
    registered: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, _: dict[str, str], body: bytes) -> tuple[int, Any]:
        where, query = path.partition("?")[::2]
        version = query.partition("api-version=")[2]
        if version not in (API_VERSIONS if "/deployments/" in where else PROVIDERS):
            return 400, {"error": {"code": "InvalidApiVersionParameter", "message": version}}
        if "/providers/Microsoft.Resources/deployments/" in where and method == "PUT":
            self.sent.append(json.loads(body))
            if self.errors and "code" in self.errors[0]:
                return 400, {"error": self.errors.pop(0)}
            return 201, {}
        namespace = where.removeprefix("/subscriptions/s/providers/").partition("/")[0]
        if method == "POST":
            self.registered.append(namespace)
        state = "Registered" if namespace in self.registered else "NotRegistered"
        return 200, {"registrationState": state}


@pytest.fixture
def arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Arm]:
    (tmp_path / "bin").mkdir()
    compiled = f"#!/bin/sh\ncat <<'END'\n{json.dumps(COMPILED)}\nEND\n"
    write(tmp_path / "bin" / "bicep", compiled)
    made = Arm()
    with over_https(tmp_path, made.answer) as (made.url, authority):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        monkeypatch.setenv("AZD_CONFIG_DIR", str(tmp_path))
        yield made


def deploy(arm: Arm, clock: Clock, folder: Path, *problems: str) -> None:
    env = {**ENV, "AZD_CONFIG_DIR": str(folder)}
    ahead.deploy(env, lambda: Manager(Credential(), arm.url), lambda: problems, clock)


def test_what_azd_compiles_is_sent_and_the_missing_is_registered(arm: Arm, tmp_path: Path) -> None:
    deploy(arm, Clock(), tmp_path)
    assert arm.sent == [
        {"properties": {"mode": "Incremental", "template": {"resources": []}, "parameters": {"name": {}}}}
    ]  # fmt: skip
    assert "Microsoft.EventGrid" in arm.registered


def test_an_error_that_passes_is_repeated(
    arm: Arm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arm.errors = [EVENTS, EVENTS]
    deploy(arm, Clock(), tmp_path)
    assert len(arm.sent) == 3
    assert "Managed Identity Authorization Error; again in 10 s" in capsys.readouterr().out


@dataclass
class Polled:
    """A Resource Manager that accepts the template, and answers one look at it with an error."""

    trouble: tuple[int, str]
    ending: str = '{"status": "Succeeded"}'
    looks: int = 0

    def send(
        self, method: str, path: str, version: str = "", body: dict[str, Any] | None = None
    ) -> HttpResponse:
        del version, body
        if method == "PUT":
            return answered(201, "{}", {"Azure-AsyncOperation": "https://arm.example/operation"})
        if not path.endswith("/operation"):
            return answered(200, '{"registrationState": "Registered"}')
        self.looks += 1
        assert self.looks < 10, "it is followed for ever"
        return answered(*(self.trouble if self.looks == 1 else (200, self.ending)))


def answered(status: int, text: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return cast(
        "HttpResponse",
        SimpleNamespace(
            status_code=status,
            headers=headers or {},
            json=lambda: json.loads(text),
            text=lambda: text,
        ),
    )


@pytest.mark.parametrize(
    "trouble", [(503, "<html>Service Unavailable</html>"), (404, '{"error": {"code": "NotFound"}}')]
)
def test_a_look_that_is_answered_with_an_error_is_no_end(
    arm: Arm, tmp_path: Path, trouble: tuple[int, str], capsys: pytest.CaptureFixture[str]
) -> None:
    del arm
    azure = Polled(trouble)
    env = {**ENV, "AZD_CONFIG_DIR": str(tmp_path)}
    ahead.deploy(env, lambda: cast("Manager", azure), list, Clock())
    shown = capsys.readouterr().out
    assert f"following the deployment was answered {trouble[0]}; again in 10 s" in shown
    assert azure.looks == 2


@pytest.mark.parametrize("status", ["Failed", "Canceled"])
def test_a_deployment_that_ends_without_success_is_followed_no_further(
    arm: Arm, tmp_path: Path, status: str
) -> None:
    del arm
    ending = json.dumps({"status": status, "error": BROKEN})
    azure = Polled((200, '{"status": "Running"}'), ending)
    env = {**ENV, "AZD_CONFIG_DIR": str(tmp_path)}
    with pytest.raises(StepError, match="vault prod uses access policies"):
        ahead.deploy(env, lambda: cast("Manager", azure), list, Clock())
    assert azure.looks == 2


@dataclass
class Refusing:
    """A Resource Manager that answers the first of one method with an error."""

    method: str
    status: int
    text: str
    sent: list[str] = field(default_factory=list)

    def send(
        self, method: str, path: str, version: str = "", body: dict[str, Any] | None = None
    ) -> HttpResponse:
        del path, version, body
        self.sent.append(method)
        if method == self.method and self.sent.count(method) == 1:
            return answered(self.status, self.text)
        known = "Registered" if self.method in self.sent[:-1] or self.method == "PUT" else "None"
        return answered(200, json.dumps({"registrationState": known}))

    def deploy(self, folder: Path, clock: Clock) -> None:
        env = {**ENV, "AZD_CONFIG_DIR": str(folder)}
        ahead.deploy(env, lambda: cast("Manager", self), list, clock)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_deployment_that_azure_is_too_busy_to_take_is_sent_again(
    arm: Arm, tmp_path: Path, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    del arm
    azure = Refusing("PUT", status, "<html>busy</html>")
    azure.deploy(tmp_path, Clock())
    assert azure.sent.count("PUT") == 2
    assert f"Azure answered {status}; again in 10 s" in capsys.readouterr().out


@pytest.mark.parametrize("status", [403, 409])
def test_a_registration_that_is_refused_is_told_at_once(
    arm: Arm, tmp_path: Path, status: int
) -> None:
    del arm
    azure, clock = Refusing("POST", status, '{"error": {"code": "AuthorizationFailed"}}'), Clock()
    before = clock.now()
    with pytest.raises(StepError, match=r"AuthorizationFailed.*Fix: have an owner of the subscr"):
        azure.deploy(tmp_path, clock)
    assert clock.now() == before


def test_a_registration_that_azure_is_too_busy_for_is_asked_for_again(
    arm: Arm, tmp_path: Path
) -> None:
    del arm
    azure = Refusing("POST", 429, "{}")
    azure.deploy(tmp_path, Clock())
    assert azure.sent.count("POST") == 2


def test_any_other_error_ends_it_with_what_azure_said(arm: Arm, tmp_path: Path) -> None:
    arm.errors = [BROKEN]
    with pytest.raises(StepError, match="vault prod uses access policies"):
        deploy(arm, Clock(), tmp_path)
    assert len(arm.sent) == 1


def test_nothing_is_deployed_in_a_region_that_cannot_run_the_app(arm: Arm, tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"region: no Python 3\.13\. Nothing was made"):
        deploy(arm, Clock(), tmp_path, "no Python 3.13")
    assert arm.sent == []


def test_without_a_compiler_azd_deploys_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    deploy(Arm("https://nowhere.invalid"), Clock(), tmp_path)
    assert "azd deploys it alone" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("env", "first"),
    [
        (ENV, True),
        ({}, False),
        ({**ENV, "appName": "rekey-abc"}, False),
        ({**ENV, "AZURE_RESOURCE_GROUP": ""}, False),
    ],
)
def test_it_happens_once_azd_knows_where_and_before_it_has_deployed(
    env: dict[str, str], first: bool
) -> None:
    assert ahead.is_first(env) is first
