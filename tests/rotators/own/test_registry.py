"""Kinds from installed packages: found by their metadata, loaded when needed, refused by name."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.requests import Request
from api.routes import route
from engine.contract import Tidy, Unusable
from engine.errors import NeedsHuman
from engine.secret import Sensitive
from rotators.own.registry import Registry, installed
from rotators.registry import ROTATORS
from tests.cli.desk import Desk
from tests.rotators.own.packages import HONEST, on_path, package
from tests.shared.rig import Rig

GROUP = "rekey.rotators"
type Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    """Install a package whose one module is named like it."""

    def laid(
        text: str, kind: str = "acme-token", name: str = "blue-rekey", value: str = ""
    ) -> None:
        module = name.replace("-", "_")
        point = {GROUP: {kind: value or f"{module}:Token"}}
        package(tmp_path, name, {module: text}, point)

    with on_path(tmp_path):
        yield laid


def registry(rig: Rig | None = None) -> Registry:
    rotators = (rig or Rig()).service().engine.rotators
    assert isinstance(rotators, Registry)
    return rotators


def test_without_a_plug_in_there_are_the_kinds_of_the_registry_and_nothing_is_refused() -> None:
    kinds = registry()
    assert len(kinds) == len(ROTATORS) == len(list(kinds))
    assert installed() == ()
    assert kinds.refusals == []


async def test_a_plug_in_is_imported_only_once_a_secret_needs_it(install: Install) -> None:
    install(HONEST)
    rig = Rig()
    rig.secret("app-key", rig.account("appdata"))
    engine = rig.service().engine
    assert "acme-token" in engine.rotators
    assert "acme-token" in engine.kinds
    assert (await engine.handle(rig.item("app-key"))).result == "rotated"
    assert "blue_rekey" not in sys.modules
    assert engine.rotators["acme-token"].kind == "acme-token"
    assert "blue_rekey" in sys.modules


async def test_a_secret_of_a_plug_in_is_rotated_like_any_other(install: Install) -> None:
    install(HONEST)
    rig = Rig()
    settings = rig.settings
    tags = {
        "ProviderAddress": "/kinds/acme-token/orders",
        "CredentialId": "blue",
        "ValidityPeriodDays": "90",
    }
    rig.vault.put("token", "blue-0", expires=rig.clock.now(), tags=tags, content_type="text/plain")
    service = rig.service()
    refused = await service.engine.handle(rig.item("token"))
    assert "not bound to /kinds/acme-token/orders" in refused.reason
    allowed = dict.fromkeys(settings.scopes, ("/kinds/acme-token",))
    engine = replace(service.engine, policy=replace(service.engine.policy, scopes=allowed))
    outcome = await engine.handle(rig.item("token", force=True))
    assert outcome.result == "rotated", outcome
    assert rig.latest("token").value == "green-1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise RuntimeError('wrong at s3cret-value')", "RuntimeError"),
        ("import nothing_of_that_name", "No module named 'nothing_of_that_name'"),
        ("import sys\nsys.exit(3)", "SystemExit"),
        ("raise type('Panic', (BaseException,), {})('s3cret')", "Panic"),
        ("Other = 1", "has no attribute 'Token'"),
        (HONEST.replace('kind = "acme-token"', 'kind = "other"'), "its kind is 'other'"),
        (HONEST.replace('kind = "acme-token"', ""), "its kind is 'None'"),
        (HONEST.replace("async def retire", "def retire"), "retire that is not async"),
        (HONEST.replace("async def retire", "async def retired"), "no method retire"),
        (HONEST.replace('frozenset({"token"})', "frozenset()"), "template_fields"),
        (HONEST.replace('{"token"}', '{"token", "a-b"}'), "cannot be names of placeholders"),
        (HONEST.replace('{"token"}', '{"token", 7}'), "cannot be names of placeholders"),
        ("class Token:\n    pass", "takes no arguments"),
    ],
)
def test_a_plug_in_that_cannot_be_loaded_is_named_and_takes_no_other_kind_along(
    install: Install, text: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    install(text)
    kinds = registry()
    stand_in = kinds["acme-token"]
    assert isinstance(stand_in, Unusable)
    [problem] = kinds.refusals
    assert reason in problem
    assert "blue-rekey 1.2" in problem
    assert "Fix: " in problem
    assert "s3cret" not in problem
    assert kinds["storage-key"].kind == "storage-key"
    assert problem in [r.getMessage() for r in caplog.records if r.levelno == logging.CRITICAL]


@pytest.mark.parametrize("named", [True, False])
async def test_the_secrets_of_a_broken_plug_in_are_parked_with_its_reason(
    install: Install, named: bool
) -> None:
    install("raise RuntimeError")
    rig = Rig()
    tags = {"ProviderAddress": "/kinds/acme-token/orders", "ValidityPeriodDays": "90"}
    tags |= {"Rotator": "acme-token"} if named else {}
    rig.vault.put("token", "blue-0", expires=rig.clock.now(), tags=tags, content_type="text/plain")
    outcome = await rig.handle("token")
    assert outcome.result == "parked"
    assert ("blue-rekey 1.2 cannot be loaded" in outcome.reason) is named


async def test_what_stands_for_a_broken_plug_in_claims_nothing_and_raises_its_reason(
    install: Install,
) -> None:
    install("raise RuntimeError")
    stand_in = registry()["acme-token"]
    assert stand_in.canonical("/kinds/acme-token/orders", {"Rotator": "acme-token"}) is None
    assert not stand_in.single_slot({})
    value = Sensitive("x")
    attempts: tuple[Awaitable[object], ...] = (
        stand_in.verify("s", "c", value),
        stand_in.accepts("s", "c", value),
        stand_in.retire("s", "c", value),
    )
    for work in attempts:
        with pytest.raises(NeedsHuman, match=r"cannot be loaded.*Fix: correct"):
            await work


def test_a_plug_in_that_claims_a_registered_name_is_refused_and_the_registered_kind_stays(
    install: Install,
) -> None:
    install(HONEST.replace("acme-token", "storage-key"), kind="storage-key")
    kinds = registry()
    assert type(kinds["storage-key"]).__name__ == "StorageKey"
    [problem] = kinds.refusals
    assert "blue-rekey 1.2 claims the kind storage-key, which is Rekey's own" in problem
    assert "blue_rekey" not in sys.modules


def test_of_two_packages_that_offer_one_kind_neither_is_used(install: Install) -> None:
    install(HONEST)
    install(HONEST, name="other-rekey")
    kinds = registry()
    assert isinstance(kinds["acme-token"], Unusable)
    [problem] = kinds.refusals
    assert "blue-rekey 1.2 and the package other-rekey 1.2 both offer" in problem
    assert not {"blue_rekey", "other_rekey"} & set(sys.modules)


async def test_the_health_counts_what_was_refused_so_far(install: Install) -> None:
    install(HONEST.replace("acme-token", "storage-key"), kind="storage-key")
    api = Rig().api()
    request = Request.arrived("GET", "health", {}, {}, {}, b"")
    answer = await api.answer(route("http_health"), request)
    assert (answer.status, answer.body["refused_kinds"]) == (200, 1)


@pytest.mark.parametrize("kind", ["Acme", "acme_token", "a" * 41, "-acme", "1acme"])
def test_a_kind_without_a_proper_name_is_refused(install: Install, kind: str) -> None:
    install(HONEST, kind=kind)
    kinds = registry()
    assert kind not in kinds
    assert "small letters, digits and hyphens" in kinds.refusals[0]


def test_a_kinds_name_may_have_forty_characters(install: Install) -> None:
    kind = "a" * 40
    install(HONEST.replace("acme-token", kind), kind=kind)
    kinds = registry()
    assert kind in kinds
    assert not kinds.refusals


def test_the_doctor_shows_what_can_be_used_and_what_is_refused(install: Install) -> None:
    install(HONEST)
    install("raise RuntimeError", kind="other-token", name="other-rekey")
    ran = Desk().run("doctor", "-o", "json")
    checks = {row["what"]: row for row in json.loads(ran.out)["checks"]}
    assert checks["the kind acme-token can be used"]["where"] == "the package blue-rekey 1.2"
    [broken] = [row for what, row in checks.items() if "other-token" in what]
    assert broken["result"] == "finding"
    assert broken["fix"].startswith("correct or remove it")
    assert ran.code == 1


def test_only_the_optional_methods_that_a_plug_in_has_are_offered(install: Install) -> None:
    tidy = "    async def tidy(self, source, operation, keep):\n        pass\n"
    install(HONEST)
    install(HONEST.replace("acme-token", "other-token") + tidy, "other-token", "other-rekey")
    kinds = registry()
    assert not isinstance(kinds["acme-token"], Tidy)
    assert isinstance(kinds["other-token"], Tidy)
