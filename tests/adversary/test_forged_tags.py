"""Every tag of the app's own, forged in every way.

No credential and no version changes, and what is due takes place.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest

from simulator.reach.strikes import LIST_KEYS, NOT_AUTHORIZED, REGENERATE, alter
from simulator_tests.holders import Secret
from tests.adversary.stage import Stage
from tests.parts import sampled

OURS = (
    "RekeyOperation",
    "RekeyRetire",
    "RekeyState",
    "RekeyReason",
    "RekeyCause",
    "RekeyProof",
    "CredentialId",
)
PAST = "2026-11-01T00:00:00Z"

type Forge = Callable[[str, Secret, Secret], str]


FORGERIES: dict[str, Forge] = {
    "empty": lambda _text, _secret, _other: "",
    "truncated": lambda text, _secret, _other: text[: len(text) // 2],
    "doubled": lambda text, _secret, _other: f"{text},{text}"[:256],
    "nonsense": lambda _text, _secret, _other: "\u202e{key};--",
    "of another version": lambda _text, secret, _other: _of_another_version(secret),
    "of another secret": lambda _text, _secret, other: (
        other.tags.get("RekeyRetire", "") or other.tags["CredentialId"]
    ),
}


def _of_another_version(secret: Secret) -> str:
    old = secret.versions[0].tags or {}
    return f"{PAST} {secret.current.version} {old.get('CredentialId', 'key1')}"


def pair(stage: Stage, kind: str) -> tuple[Secret, Secret]:
    """Return a secret and a second one, of the same kind and source where that can be."""
    if kind == "storage":
        return stage.storage(), stage.storage("others", "others")
    return stage.entra(), stage.entra("others")


KINDS = ("storage", "entra")
EVERY = list(product(KINDS, OURS, FORGERIES))
PAIRWISE = [
    (KINDS[(number + at) % 2], tag, forgery)
    for number, tag in enumerate(OURS)
    for at, forgery in enumerate(FORGERIES)
]
"""Every tag with every forgery, every kind with each of both."""


@pytest.mark.parametrize(("kind", "tag", "forgery"), sampled(EVERY, PAIRWISE))
async def test_a_forged_tag_revokes_nothing_and_keeps_nothing_alive(
    stage: Stage, kind: str, tag: str, forgery: str
) -> None:
    secret, other = pair(stage, kind)
    await stage.rotate(secret)
    await stage.rotate(other)
    old, versions = secret.versions[0], len(secret.versions)
    others_old = other.versions[0]
    stage.tag(secret, **{tag: FORGERIES[forgery](secret.tags.get(tag, ""), secret, other)})
    await stage.run_for(days=2)
    assert len(secret.versions) == versions, "it was rotated, or healed"
    assert secret.works
    assert other.works
    assert secret.accepts(old.value), "the superseded credential was cut off inside its overlap"
    assert secret.version(old.version).enabled
    assert other.accepts(others_old.value)
    await stage.run_for(days=6)
    assert not secret.accepts(old.value), "the superseded credential lives on"
    assert stage.longest_refusal(secret) == stage.longest_refusal(other) == timedelta()


@pytest.mark.parametrize("kind", ["storage", "entra", "login", "two logins"])
async def test_all_tags_forged_at_once_change_nothing_at_the_source(
    stage: Stage, kind: str
) -> None:
    secret = await stage.rotated(kind)
    old = secret.versions[0]
    kept_alive = secret.accepts(old.value)
    forged = {
        name: f"{PAST} {old.version} {secret.tags['CredentialId']}"
        for name in OURS
        if name != "CredentialId"
    }
    stage.tag(secret, **forged)
    await stage.run_for(days=2)
    assert secret.works
    assert secret.accepts(old.value) == kept_alive
    assert stage.longest_refusal(secret) <= timedelta(minutes=5)


@pytest.mark.parametrize("compromised", [False, True])
async def test_a_mark_from_a_time_to_come_parks_nothing_and_stops_nobody_elses_sweep(
    stage: Stage, compromised: bool
) -> None:
    """A mark names the version that it is about; only its time is forged."""
    secret, other = pair(stage, "storage")
    first = secret.current
    stage.outage(REGENERATE, timedelta(minutes=31), NOT_AUTHORIZED)
    await stage.rotate(secret)
    word, _, seen = secret.tags["RekeyState"].split(" ")
    stage.tag(secret, RekeyState=f"{word} 9999-12-31T23:59:59Z {seen}")
    if compromised:
        stage.post(secret, version=first.version, compromised=True)
    await stage.run_for(hours=2)
    assert secret.accepts(first.value) != compromised
    assert len(secret.versions) == len(other.versions) == 2
    assert not stage.app.host.errors


@pytest.mark.parametrize(
    "template", ["{key}{key}", "{key", "", "key", "{password}", "{key}" + "x" * 240, "{key}=="]
)
async def test_a_template_that_was_edited_publishes_nothing_that_consumers_cannot_use(
    stage: Stage, template: str
) -> None:
    secret = await stage.rotated("storage")
    stage.tag(secret, ValueTemplate=template)
    await stage.run_for(days=9)
    assert stage.longest_refusal(secret) == timedelta()
    assert secret.current.value in [key.value for key in stage.account().accepted_keys()]


@pytest.mark.parametrize("kind", ["storage", "login"])
async def test_tags_that_leave_no_room_for_a_mark_hide_no_secret_that_needs_a_person(
    stage: Stage, kind: str
) -> None:
    """The operation yields to the mark, and comes back once that is gone."""
    secret = await stage.rotated(kind)
    room = 15 - len(set(secret.tags) - {"RekeyBy", "RekeyCause"})
    stage.tag(secret, RekeyBy=None, RekeyCause=None, **{f"t{n}": "x" for n in range(room)})
    operation = secret.tags["RekeyOperation"]
    for key in ("key1", "key2"):
        stage.account().regenerate(key)
    stage.server.logins["app"].set("By-hand-123456", stage.clock.now()) if kind == "login" else None
    stage.outage(
        lambda request: LIST_KEYS(request) or alter(request), timedelta(days=1), NOT_AUTHORIZED
    )
    await stage.run_a_day()
    assert stage.of(secret, "parked")
    assert await stage.attention(secret), "it is shown as if all were well"
    assert len(secret.tags) == 15
    await stage.run_for(days=2)
    assert secret.works
    assert secret.tags["RekeyOperation"] == operation or len(secret.versions) > 2
