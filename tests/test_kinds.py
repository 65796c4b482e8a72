"""The gate for kinds: what the registry holds is known to every place that must know a kind.

A fraud is found out. A kind is not there for the registry alone. tests/missing.py asks each place
whether it knows a kind, and says which file to open where it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar

import pytest

from demo.kinds import ABSENT
from engine.contract import Issued, Job, Preflight, Recognise, Rotator
from engine.errors import NeedsHuman
from engine.secret import Sensitive
from scripts import generate
from tests.crash.test_calls import ROTATION
from tests.missing import KINDS, PLACES_THAT_KNOW, in_the_demo, missing, names
from tests.proof.places import STORIES
from tests.rotators import test_contract as contract
from tests.rotators.subjects import SUBJECTS, Scene, Subject

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("kind", KINDS)
def test_every_place_knows_every_kind_of_the_registry(kind: str) -> None:
    assert not missing(kind), "\n".join([f"{kind} is not known to:", *missing(kind)])


def test_what_follows_from_the_kinds_is_what_make_generate_writes() -> None:
    assert not generate.stale().keys(), "run make generate"


def test_no_place_knows_a_kind_that_the_registry_does_not_hold() -> None:
    assert {subject.kind.kind for subject in SUBJECTS} == set(KINDS)
    assert names(STORIES) == names(ROTATION) == set(KINDS)
    assert {page.stem for page in (ROOT / "docs" / "rotators").glob("*.md")} == set(KINDS)


def test_the_demo_leaves_out_only_kinds_that_it_does_not_show() -> None:
    assert not in_the_demo() & set(ABSENT)
    assert in_the_demo() | set(ABSENT) == set(KINDS)


def test_a_kind_of_the_registry_alone_is_known_nowhere() -> None:
    assert len(missing("made-up-key")) == len(PLACES_THAT_KNOW) > 5


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
"""Tests of the contract suite that take a subject, or its scene, and nothing else."""


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


async def _fails(check: Callable[..., Any], subject: Subject) -> bool:
    fixtures = {"subject": subject, "scene": subject.scene()}
    try:
        await check(**{name: fixtures[name] for name in signature(check).parameters})
    except (AssertionError, NeedsHuman, pytest.fail.Exception, StopIteration, KeyError):
        return True
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_look_before_it_rotates_and_tell_whose_a_value_is(kind: str) -> None:
    assert issubclass(KINDS[kind], Preflight)
    assert issubclass(KINDS[kind], Recognise)
