"""Whoever may list a vault sees tags, and learns nothing from them that helps to guess a value."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from itertools import permutations

import pytest

from simulator.reach.strikes import PUBLISH, to
from simulator_tests.holders import Secret
from tests.adversary.stage import Stage

HASHES = ("md5", "sha1", "sha256", "sha384", "sha512", "sha3_256", "blake2b", "blake2s")
SHORTEST = 8
"""So many letters of a digest are enough to tell one guess from another."""


def guesses(value: str, *beside: str) -> Iterator[str]:
    """Yield how a digest of a value, alone or beside what the tags show, would look."""
    texts = {value}
    for count in (1, 2):
        for chosen in permutations(beside, count):
            for order in permutations((*chosen, value)):
                texts |= {joint.join(order) for joint in ("", "\n", " ", ":", "|", "/", "\0")}
    for text in texts:
        for name in HASHES:
            digest = hashlib.new(name, text.encode()).digest()
            yield digest.hex()[:SHORTEST]
            yield base64.b64encode(digest).decode()[:SHORTEST]
            yield base64.urlsafe_b64encode(digest).decode()[:SHORTEST]


def betrays(secret: Secret) -> list[str]:
    """Return the tags that hold a digest of their version's value, or of an earlier one's."""
    matches = []
    for version in secret.versions:
        tags = version.tags or {}
        beside = [tags[name] for name in ("RekeyOperation", "CredentialId") if name in tags]
        ids = [*beside, version.version, secret.name]
        for held in secret.versions:
            known = set(guesses(held.value, *ids))
            matches += [name for name, text in tags.items() for guess in known if guess in text]
    return matches


@pytest.mark.parametrize("kind", ["storage", "entra", "login", "admin", "user", "two logins"])
async def test_no_tag_lets_a_guess_at_a_value_be_checked(stage: Stage, kind: str) -> None:
    secret = await stage.rotated(kind)
    assert len(secret.versions) == 2
    assert betrays(secret) == []
    assert "RekeyProof" not in secret.tags


async def test_no_tag_of_a_restored_version_lets_a_persons_password_be_guessed(
    stage: Stage,
) -> None:
    secret = stage.sql("two logins")
    await stage.rotate(secret)
    stage.post(secret, action="restore", version=secret.current.version)
    await stage.run_for(minutes=10)
    assert len(secret.versions) == 3
    assert betrays(secret) == []


async def test_no_tag_of_a_parked_secret_lets_a_persons_password_be_guessed(stage: Stage) -> None:
    secret = stage.sql("login")
    stage.outage(to("EXECUTE"), timedelta(hours=2))
    await stage.rotate(secret)
    await stage.run_for(hours=1)
    assert betrays(secret) == []


async def test_no_tag_of_a_replica_lets_a_value_be_guessed(stage: Stage) -> None:
    primary = stage.storage()
    copy = stage.plain("copy", primary.current.value, stage.other, {"ReplicaOf": primary.url})
    stage.tag(primary, Replicas=copy.url)
    await stage.rotate(primary)
    assert len(copy.versions) == 2
    assert betrays(copy) == []


async def test_no_message_on_a_queue_and_no_record_holds_a_value_or_its_plain_digest(
    stage: Stage,
) -> None:
    secret = stage.sql("login")
    stage.kill(PUBLISH, times=2, after=False)
    await stage.rotate(secret)
    written = "".join(
        request.body.decode(errors="replace") + repr(dict(request.headers))
        for request in stage.app.strikes.trace
        if "rekeyhost." in request.host
    )
    values = {version.value for version in secret.versions}
    assert len(values) == 2
    assert not [value for value in values if value in written]
    ids = [text for name, text in secret.tags.items() if name in ("RekeyOperation", "CredentialId")]
    assert not [guess for value in values for guess in guesses(value, *ids) if guess in written]
