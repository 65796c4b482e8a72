"""The gate for kinds: what the registry holds is known to every place that must know a kind.

A fraud is found out. A kind is not there for the registry alone. Each check below asks one
place whether it knows a kind; `missing` names the places that do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cli.discovery import NAMED_HERE, UNLISTED
from cli.words import TEMPLATE_KINDS as OFFERED
from demo.cast import cast, stage
from demo.kinds import ABSENT, platform
from engine.contract import Derived, Discover, Issued, Job, Preflight, Recognise, Rotator
from engine.errors import NeedsHuman
from engine.secret import Sensitive
from rotators.registry import ROTATORS
from simulator.world import Domains
from tests.crash.test_calls import RETIREMENT, ROTATION
from tests.infra import permissions
from tests.proof.places import PLACES, STORIES
from tests.rotators import test_contract as contract
from tests.rotators.subjects import SUBJECTS, Scene, Subject

ROOT = Path(__file__).parents[1]
KINDS: Mapping[str, Any] = {maker.kind: maker for maker in ROTATORS}  # type: ignore[attr-defined]
WITHOUT_ROLE = {
    "service-principal-secret": "Microsoft Graph",
    "sql-login-password": "loginmanager",
    "storage-sas": "signs with the key that another secret holds",
    "service-bus-sas": "sign with the key of a rule",
    "event-hubs-sas": "sign with the key of a rule",
}
"""Kinds whose right no template can give, or that need none, and what the page of permissions says
of it."""
AT_VAULT = {"service-principal-certificate": "vault-certificates"}
"""Kinds that need a role at the vault, too: the page names Microsoft Graph for the rest."""
ROLE_OF = {"sql-admin-password": "sql-administrator"}


def names(stories: Mapping[str, object]) -> set[str]:
    """Return the kinds that stories are about: a name is a kind, or begins with one and a blank."""
    return {name.partition(" ")[0] for name in stories}


def text(path: str) -> str:
    return (ROOT / path).read_text()


def has_role(kind: str) -> bool:
    """Return whether template and page know the kind's role, or the page says why there is none."""
    if kind in WITHOUT_ROLE:
        return WITHOUT_ROLE[kind] in permissions.PAGE.read_text()
    if role := AT_VAULT.get(kind):
        return role in {row.role for row in permissions.rows()} and role in text(
            "infra/modules/vault-role.bicep"
        )
    role = ROLE_OF.get(kind, f"{kind}s")
    return role in {row.role for row in permissions.rows()} and f"'{role}': [" in text(
        "infra/roles.bicep"
    )


def is_simulated(kind: str) -> bool:
    """Return whether the simulated Azure has the resource that a story of the kind begins with."""
    place = PLACES.get(kind) or next(
        (make for name, make in PLACES.items() if name.startswith(f"{kind} ")), None
    )
    return bool(place and place().planted())


def is_discovered(kind: str) -> bool:
    """Return whether `rekey discover` finds such credentials, or it is written down why not."""
    return (
        kind in NAMED_HERE
        or kind in UNLISTED
        or (isinstance(KINDS.get(kind), type) and issubclass(KINDS[kind], Discover))
    )


@cache
def in_the_demo() -> frozenset[str]:
    """Return the kinds of the demo's secrets, as Rekey recognises them by their tags."""
    parts = (*cast(), *platform())
    vaults = stage(Domains(), parts).vaults
    tags = [vaults[part.vault].versions(part.name)[-1].tags or {} for part in parts]
    return frozenset(
        kind
        for kind, maker in KINDS.items()
        for own in tags
        if own.get("Rotator", kind) == kind and maker.canonical(own["ProviderAddress"], own)
    )


PLACES_THAT_KNOW: Mapping[str, Callable[[str], bool]] = {
    "contract suite": lambda kind: kind in {subject.kind.kind for subject in SUBJECTS},
    "stories of the proof": lambda kind: kind in names(PLACES),
    "crash tests": lambda kind: kind in names(STORIES),
    "counted calls": lambda kind: kind in names(ROTATION),
    "counted calls of a retirement": lambda kind: (
        kind in names(RETIREMENT) or KINDS[kind].single_slot({}) or isinstance(KINDS[kind], Derived)
    ),
    "simulator": is_simulated,
    "permissions and template": has_role,
    "kinds of the template": lambda kind: f"'{kind}'" in text("infra/types.bicep"),
    "command line": lambda kind: kind in OFFERED,
    "discovery": is_discovered,
    "telemetry": lambda kind: f"`{kind}`" in text("docs/telemetry.md"),
    "page": lambda kind: (
        (ROOT / "docs" / "rotators" / f"{kind}.md").exists()
        and f"rotators/{kind}.md" in text("mkdocs.yml")
    ),
    "demo": lambda kind: kind in in_the_demo() or kind in ABSENT,
    "table of the readme": lambda kind: f"| `{kind}` |" in text("README.md"),
}


def missing(kind: str) -> list[str]:
    """Return the places that do not know a kind."""
    return [place for place, knows in PLACES_THAT_KNOW.items() if not _knows(knows, kind)]


def _knows(knows: Callable[[str], bool], kind: str) -> bool:
    try:
        return knows(kind)
    except LookupError:
        return False


@pytest.mark.parametrize("kind", KINDS)
def test_every_place_knows_every_kind_of_the_registry(kind: str) -> None:
    assert not missing(kind), f"{kind} is not known to: {', '.join(missing(kind))}"


def test_no_place_knows_a_kind_that_the_registry_does_not_hold() -> None:
    assert {subject.kind.kind for subject in SUBJECTS} == set(KINDS)
    assert names(STORIES) == names(ROTATION) == set(KINDS) == set(OFFERED)
    assert {page.stem for page in (ROOT / "docs" / "rotators").glob("*.md")} == set(KINDS)
    assert set(re.findall(r"\| `([a-z-]+)` \|.*docs/rotators/", text("README.md"))) == set(KINDS)


def test_the_demo_leaves_out_only_kinds_that_it_does_not_show() -> None:
    assert not in_the_demo() & set(ABSENT)
    assert in_the_demo() | set(ABSENT) == set(KINDS)


def test_a_kind_of_the_registry_alone_is_known_nowhere() -> None:
    assert set(missing("made-up-key")) == set(PLACES_THAT_KNOW)
    assert len(PLACES_THAT_KNOW) > 10


@dataclass(frozen=True)
class Fraud:
    """A kind that issues a constant, verifies nothing and retires nothing."""

    scene: Scene
    kind: ClassVar[str] = "storage-key"
    value_field: ClassVar[str] = "key"
    template_fields: ClassVar[frozenset[str]] = frozenset({"account", "key", "suffix"})

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        del tags
        return address.strip().rstrip("/").lower()

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        del tags
        return False

    async def issue(self, job: Job) -> Issued:
        del job
        constant = Sensitive("constant")
        return Issued("key2", {"account": constant, "key": constant, "suffix": constant}, "key1")

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Verify nothing."""

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        del source, credential_id, credential
        return True

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Retire nothing."""


class Defrauded:
    """A scene of an honest kind in which a fraud stands in its place."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scene, name)

    def rotator(self, intercept: object = None) -> Rotator:
        del intercept
        return Fraud(self._scene)


CHECKS = (
    contract.test_a_new_credential_stands_beside_the_live_one_and_is_accepted,
    contract.test_a_wrong_credential_is_refused,
    contract.test_a_credential_that_never_spreads_fails_in_the_end,
    contract.test_retiring_twice_revokes_the_superseded_credential_and_leaves_the_new_one,
    contract.test_the_credential_that_the_vault_holds_is_never_revoked,
    contract.test_what_is_no_credentials_id_is_never_retired,
    contract.test_a_source_that_is_gone_is_told_when_a_credential_is_asked_of_it,
    contract.test_tries_of_one_operation_never_pile_up_and_never_touch_the_live_credential,
    contract.test_a_preflight_changes_nothing,
)
"""Tests of the contract suite that take a subject and nothing else."""


async def test_a_kind_that_issues_a_constant_and_verifies_nothing_fails_at_least_four_tests_of_the_contract() -> (
    None
):
    honest = next(subject for subject in SUBJECTS if subject.kind.kind == Fraud.kind)

    def scene() -> Scene:
        return Defrauded(honest.scene())

    subject: Subject = replace(honest, kind=Fraud, scene=scene)
    caught = [check.__name__ for check in CHECKS if await _fails(check, subject)]
    assert len(caught) >= 4, caught
    assert not [check.__name__ for check in CHECKS if await _fails(check, honest)]


async def _fails(check: Callable[[Subject], Any], subject: Subject) -> bool:
    try:
        await check(subject)
    except (AssertionError, NeedsHuman, pytest.fail.Exception, StopIteration, KeyError):
        return True
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_look_before_it_rotates_and_tell_whose_a_value_is(kind: str) -> None:
    assert issubclass(KINDS[kind], Preflight)
    assert issubclass(KINDS[kind], Recognise)
