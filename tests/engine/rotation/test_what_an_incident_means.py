"""Which versions an incident means, and where it is sent on because the secret has moved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import NeedsHuman, TransientError
from engine.secret import Sensitive
from engine.state.record_parts import Past
from engine.state.tags import Pending
from tests.engine.rotation.held import Held, held
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
CREATED = {"a": 3 * HOUR, "b": 2 * HOUR, "c": HOUR}
"""How long ago each version of the secret was written; the last one is current."""
SLOTS = {"a": "key1", "b": "key2", "c": "key1"}


@asynccontextmanager
async def three(values: Mapping[str, str] | None = None, **tags: str) -> AsyncIterator[Held]:
    """Hold the source of a secret with three versions, of which its record knows nothing yet."""
    rig = Rig()
    usual = {"ProviderAddress": rig.account("appdata").resource_id, "ValidityPeriodDays": "90"}
    held_by = {name: f"held by {name}" for name in CREATED} | {**(values or {})}
    for name, ago in CREATED.items():
        kept = {**usual, "CredentialId": SLOTS[name], **tags}
        rig.vault.put(NAME, held_by[name], tags=kept, created=rig.clock.now() - ago)
    async with held(rig) as at:
        yield at


@pytest.fixture
async def at() -> AsyncIterator[Held]:
    async with three() as held_:
        yield held_


def version(at: Held, name: str) -> str:
    """Return the id of a version by its name."""
    return at.rig.vault.versions(NAME)["abc".index(name)].version


def know(
    at: Held,
    *,
    wrote: str = "",
    made: timedelta | None = None,
    owed: tuple[str, ...] = (),
    accepted: str = "",
    revoked: str = "",
    copies: str = "",
) -> None:
    """Let the record know versions by their names.

    `wrote`: what Rekey published last, made so long ago. `owed`: each version with its slot.
    `copies`: a version that was restored. The one that it repeats comes behind it, as in `wrote`.
    """
    facts: dict[str, Any] = {
        "past": tuple(Past(version(at, it), SLOTS[it], "ab" * 32) for it in accepted),
        "gone": {version(at, it): "" for it in revoked},
    }
    if wrote:
        name, original = wrote[0], wrote[1:] and version(at, wrote[1:])
        ago = CREATED[name] if made is None else made
        write = at.announced(ago, credential_id=SLOTS[name], original=original)
        facts["published"] = write.landed(version(at, name), at.now)
    if copies:
        facts["twins"] = {version(at, copies[0]): version(at, copies[1])}
    going = (it.split() for it in owed)
    facts["to_retire"] = tuple(Pending(at.now + HOUR, version(at, it), slot) for it, slot in going)
    at.know(**facts)


async def meant(at: Held, ago: timedelta | None, named: str = "", **item: Any) -> str:
    """Return the names of the versions that an incident means, in their order.

    It began so long ago; without that, one version alone has leaked.
    """
    known = {version(at, name): name for name in CREATED}
    steps = at.steps(
        compromised=True,
        version=version(at, named) if named else None,
        since=(at.now - ago).isoformat() if ago else "",
        **item,
    )
    return "".join(known[it] for it in await steps.compromised())


@pytest.mark.parametrize(
    ("ago", "named", "facts", "expected"),
    [
        # Nothing is known but what the vault lists.
        (HOUR / 2, "", {}, "c"),
        (HOUR / 2, "c", {}, "c"),
        (HOUR / 2, "b", {}, "b"),
        (4 * HOUR, "", {}, "c"),
        (2 * HOUR, "", {}, "a"),
        (2 * HOUR - MINUTE, "", {}, "b"),
        # What Rekey wrote, or what it replaced, is as old as its record says.
        (4 * HOUR, "", {"wrote": "c"}, ""),
        (4 * HOUR, "", {"wrote": "c", "owed": ("b key2",)}, "b"),
        (HOUR, "", {"wrote": "c"}, "b"),
        (HOUR - MINUTE, "", {"wrote": "c"}, "c"),
        (3 * HOUR / 4, "", {"wrote": "c", "made": HOUR / 2}, "b"),
        (HOUR / 2, "b", {"wrote": "c"}, "bc"),
        (HOUR / 2, "", {"wrote": "c", "owed": ("b key2",)}, "cb"),
        (HOUR / 2, "c", {"wrote": "c", "owed": ("b key2",)}, "cb"),
        # What is owed as well, unless it is younger, or a person has replaced it in its place.
        (HOUR / 2, "c", {"owed": ("b key2",)}, "cb"),
        (HOUR / 2, "c", {"owed": ("b key1",)}, "c"),
        (HOUR / 2, "", {"wrote": "c", "owed": ("b key1",)}, "c"),
        (5 * HOUR / 2, "c", {"owed": ("b key2",)}, "c"),
        (HOUR / 2, "c", {"owed": ("b key2",), "copies": "ba"}, "cba"),
        (5 * HOUR / 2, "c", {"owed": ("b key2",), "copies": "ba"}, "ca"),
        # What Rekey published last lives on beneath what a person has written.
        (HOUR / 2, "c", {"wrote": "b"}, "cb"),
        (HOUR / 2, "", {"wrote": "a"}, "ca"),
        (HOUR / 2, "c", {"wrote": "b", "revoked": "b"}, "c"),
        (HOUR / 2, "c", {"wrote": "b", "made": HOUR / 4}, "c"),
        (5 * HOUR / 2, "c", {"wrote": "ba", "made": 3 * HOUR}, "cb"),
        (5 * HOUR / 2, "c", {"wrote": "ba", "made": 3 * HOUR, "revoked": "b"}, "c"),
        # One version alone has leaked.
        (None, "b", {}, "b"),
        (None, "c", {"wrote": "b", "owed": ("a key2",)}, "c"),
    ],
)  # fmt: skip
async def test_an_incident_means_what_is_as_old_and_may_work(
    at: Held, ago: timedelta | None, named: str, facts: dict[str, Any], expected: str
) -> None:
    know(at, **facts)
    assert await meant(at, ago, named) == expected


@pytest.mark.parametrize("ago", [None, HOUR / 2])
async def test_of_a_disabled_secret_only_a_version_that_is_named_is_known_to_have_leaked(
    at: Held, ago: timedelta | None
) -> None:
    at.secret = replace(at.secret, version=None, enabled=False)
    assert await meant(at, ago, "b") == "b"
    with pytest.raises(NeedsHuman, match="nobody can tell which credential leaked"):
        await meant(at, ago)


async def test_what_is_owed_where_the_secret_was_is_meant_whatever_it_holds_elsewhere(
    at: Held,
) -> None:
    tags = {**at.secret.tags, "ProviderAddress": at.rig.account("elsewhere").resource_id}
    at.secret = replace(at.secret, tags=tags)
    know(at, owed=("b key1",))
    assert await meant(at, HOUR / 2, "c") == "cb"


@pytest.mark.parametrize(
    ("older", "current", "template", "expected"),
    [
        ("1", "2", "", "c"),
        ("1", "1", "", "cb"),
        ("key=1;n=1", "key=1;n=2", "key={key};n=2", "cb"),
        ("key=1;n=1", "key=2;n=2", "key={key};n=2", "c"),
        ("key=1;n=1", "key=1;n=1", "other={key}", "cb"),
    ],
)
async def test_what_is_owed_is_meant_unless_a_person_has_put_another_key_in_its_slot(
    older: str, current: str, template: str, expected: str
) -> None:
    """The tag of the current version names the same slot."""
    tags = {"ValueTemplate": template} if template else {}
    async with three({"b": older, "c": current}, **tags) as at:
        know(at, owed=("b key1",))
        assert await meant(at, HOUR / 2, "c") == expected


@pytest.mark.parametrize(("was", "expected"), [("held by c", "cb"), ("held by b", "c")])
async def test_what_is_owed_and_nobody_can_read_is_known_by_its_digest(
    at: Held, was: str, expected: str
) -> None:
    """Somebody has disabled it, and the tag of the current version names its slot."""
    at.rig.vault.amend(at.rig.vault.versions(NAME)[1], enabled=False)
    know(at, owed=("b key1",))
    digest = at.know(key="ab" * 32).digest("key1", Sensitive(was))
    at.know(past=(Past(version(at, "b"), "key1", digest),))
    assert await meant(at, HOUR / 2, "c") == expected


@pytest.mark.parametrize(
    ("facts", "lists"),
    [
        ({}, 0),
        ({"wrote": "c"}, 0),
        ({"wrote": "b"}, 1),
        ({"owed": ("b key2",)}, 1),
    ],
)  # fmt: skip
async def test_an_incident_of_one_version_lists_the_others_only_where_more_may_have_leaked(
    at: Held, facts: dict[str, Any], lists: int
) -> None:
    """There may be a thousand such incidents at once, and the vault has a limit."""
    know(at, **facts)
    at.rig.world.exchanges.clear()
    await meant(at, HOUR / 2, "c")
    paths = [it.request.path for it in at.rig.world.exchanges]
    assert sum(path.endswith("/versions") for path in paths) == lists


def unlisted(at: Held) -> None:
    """Let nobody list the records."""
    refuse(at.rig, 403, "AuthorizationFailure", lambda it: "comp=list" in it.url, times=99)


async def test_what_a_source_has_accepted_is_meant_there_though_nobody_can_list_the_records(
    at: Held,
) -> None:
    unlisted(at)
    know(at, accepted="b")
    assert await meant(at, 3 * HOUR / 2) == "b"


async def test_what_a_source_has_not_seen_is_meant_there_once_the_records_tell_of_no_other(
    at: Held,
) -> None:
    assert await meant(at, 3 * HOUR / 2) == "b"
    unlisted(at)
    with pytest.raises(TransientError, match="the records cannot be listed"):
        await meant(at, 3 * HOUR / 2)


@pytest.fixture
async def moved(at: Held) -> str:
    """Let the version before the current one name another source; return that."""
    other, before = at.rig.account("elsewhere").resource_id, at.rig.vault.versions(NAME)[1]
    at.rig.vault.amend(before, tags={**(before.tags or {}), "ProviderAddress": other})
    return other.lower()


def sent(at: Held) -> list[tuple[str, str]]:
    """Return what was sent on: each version with its source."""
    return [(text["version"], text["source"]) for _, text in at.posted()]


@pytest.mark.parametrize(
    ("named", "reported", "facts", "is_sent"),
    [
        pytest.param("", None, {}, True, id="it names none"),
        pytest.param("", None, {"accepted": "b"}, False, id="it was accepted here"),
        pytest.param("c", CREATED["c"] + MINUTE, {}, True, id="it was written since the report"),
        pytest.param("c", CREATED["c"], {}, True, id="in the second of the report"),
        pytest.param("c", 4 * HOUR, {}, False, id="it held nothing before"),
        pytest.param("c", CREATED["c"] - MINUTE, {}, False, id="it was there before"),
        pytest.param("c", None, {}, False, id="nobody says when it was reported"),
        pytest.param("c", CREATED["b"] - MINUTE, {"wrote": "c"}, True, id="Rekey wrote it"),
        pytest.param(
            "b", CREATED["b"] - MINUTE, {}, False, id="it was there, though a later one is current"
        ),
    ],
)
async def test_an_incident_is_sent_on_to_the_source_that_its_secret_has_left(
    at: Held,
    moved: str,
    named: str,
    reported: timedelta | None,
    facts: dict[str, Any],
    *,
    is_sent: bool,
) -> None:
    """It is dated a little ahead, so the secret may have moved here before that."""
    know(at, **facts)
    dated = {"reported": (at.now - reported).isoformat()} if reported else {}
    for _ in range(2):
        expected = named or ("" if is_sent else "b")
        assert await meant(at, 3 * HOUR / 2, named, **dated) == expected
    assert sent(at) == [(version(at, "b"), moved)] * is_sent, "once, and not again"


async def test_an_incident_is_not_sent_on_where_nothing_tells_what_the_secret_held(
    at: Held,
) -> None:
    at.rig.vault.amend(at.rig.vault.versions(NAME)[1], tags={})
    assert await meant(at, 3 * HOUR / 2) == "b"
    assert sent(at) == []


@pytest.mark.parametrize("wrote", ["", "c"])
@pytest.mark.parametrize("is_known", [True, False])
async def test_what_is_to_be_retired_here_is_meant_where_a_record_has_a_proof_of_it(
    at: Held, *, is_known: bool, wrote: str
) -> None:
    """The secret got this address by a tag alone, and a rotation here replaced what it held."""
    other, before = at.rig.account("elsewhere").resource_id.lower(), version(at, "b")
    know(at, wrote=wrote, owed=("b key2",))
    proof = Past(before, "key2", "ab" * 32)
    await at.rig.note(other, NAME, past=(proof,) if is_known else ())
    for _ in range(2):
        assert await meant(at, 3 * HOUR / 2) == ("" if is_known else "b")
    assert sent(at) == [(before, other)] * is_known
    assert bool(at.record.to_retire) is not is_known, "nothing of it is to be revoked here"


async def test_a_report_about_the_version_itself_is_sent_on_beside_its_own_request(
    at: Held,
) -> None:
    """It is stored until it is done here. Nothing else would try the version at the other source."""
    other, before = at.rig.account("elsewhere").resource_id.lower(), version(at, "b")
    know(at, owed=("b key2",))
    await at.rig.note(other, NAME, past=(Past(before, "key2", "ab" * 32),))
    since = (at.now - 3 * HOUR / 2).isoformat()
    report = {"compromised": True, "version": before, "since": since, "reason": "leaked"}
    await at.parts.accept(at.rig.item(NAME, **report))
    for _ in range(2):
        assert await at.steps(**report).compromised() == [before]
    own, later = (text for _, text in at.posted())
    assert (own["source"], later["source"]) == (None, other)
    assert later["reason"] == f"leaked (sent on to {other})"


@pytest.mark.parametrize(("later", "is_sent"), [(0, False), (1, True)])
async def test_what_is_refused_at_the_source_that_was_left_is_not_sent_on_to_it_again(
    at: Held, moved: str, later: int, *, is_sent: bool
) -> None:
    """Unless somebody has reported it since."""
    proven = f"{at.now:%Y-%m-%dT%H:%M:%SZ} tried"
    await at.rig.note(moved, NAME, gone={version(at, "b"): proven})
    reported = (at.now + later * MINUTE).isoformat()
    assert await meant(at, 3 * HOUR / 2, reported=reported) == ""
    assert sent(at) == [(version(at, "b"), moved)] * is_sent
