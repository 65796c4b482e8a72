"""An incident with more versions than one work item takes turns."""

from __future__ import annotations

import pytest

from engine.errors import MayComeBack, NeedsHuman, NotFound, RekeyError, Throttled, TransientError
from tests.engine.rotation.plain_kind import Able, rotating
from tests.shared.heard import heard
from tests.shared.rig import Rig
from tests.shared.scene import NAME, scene, source_of


@pytest.mark.parametrize("count", [11, 13])
async def test_many_compromised_versions_are_not_called_a_secret_that_keeps_changing(
    count: int,
) -> None:
    rig = scene(days_left=80)
    await rig.handle(NAME, action="audit")
    gone = tuple(f"{number:032x}" for number in range(count))
    await rig.note(source_of(rig), NAME, compromised=gone)
    outcome = await rig.handle(NAME, action="audit")
    assert "changes faster than it can be rotated" not in outcome.reason
    assert "cannot be read and may still be accepted" in outcome.reason


async def test_who_goes_round_in_circles_stops_and_tells_a_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it has published is reported all the same."""
    monkeypatch.setattr("engine.rotation.controller.MOST_TURNS", 1)
    async with rotating(Able(), force=True) as work:
        outcomes = heard(work.at.parts.reporter)
        await work.run()
    assert [outcome.result for outcome in outcomes] == ["rotated", "parked"]
    assert {outcome.old_version for outcome in outcomes} == {work.at.secret.version}
    assert outcomes[1].reason.startswith("the secret changes faster than it can be rotated")


async def test_many_versions_that_cannot_be_settled_hold_up_no_leak_that_is_in_use() -> None:
    rig = scene(days_left=80)
    await rig.handle(NAME, action="audit")
    gone = tuple(f"{number:032x}" for number in range(13))
    await rig.note(source_of(rig), NAME, compromised=gone)
    leaked = rig.latest(NAME)
    for _ in range(5):
        await rig.handle(NAME, version=leaked.version, compromised=True)
        rig.clock.advance(900)
    assert rig.latest(NAME).version != leaked.version
    keys = rig.world.accounts["appdata"].keys.values()
    assert leaked.value not in {key.value for key in keys}


@pytest.mark.parametrize("error", [NotFound, TransientError])
async def test_a_leak_waits_for_nothing_that_a_rotation_has_left(error: type[RekeyError]) -> None:
    """The source may be gone, with all that it held."""
    rig, kind, tried = Rig(), Able(), list[str]()
    leaked = rig.vault.put(NAME, "leaked")
    rig.clock.advance(60)

    async def tidy(_: str, operation: str, keep: str | None) -> None:
        if operation != "op":
            tried.append(f"{operation} but {keep}")
            raise error("the application cannot be listed")

    kind.tidy = tidy  # type: ignore[method-assign, assignment]
    async with rotating(kind, rig=rig, version=leaked.version, compromised=True) as work:
        work.at.know(kind="plain", touched="1" * 32, compromised=(leaked.version,))
        await work.run()
        assert len(tried) == 1
        assert work.at.record.compromised.versions == ()


async def test_a_source_that_asks_to_wait_is_asked_nothing_about_a_leak_before_that_time() -> None:
    """A call that comes sooner would lengthen the wait."""
    rig, kind = Rig(), Able()
    leaked = rig.vault.put(NAME, "leaked")
    rig.clock.advance(60)

    async def tidy(_: str, operation: str, keep: str | None) -> None:
        kind.calls.clear()
        raise Throttled(f"{operation} but {keep}", retry_after=9)

    async with rotating(kind, rig=rig, version=leaked.version, compromised=True) as work:
        work.at.know(kind="plain", touched="1" * 32, compromised=(leaked.version,))
        kind.tidy = tidy  # type: ignore[method-assign, assignment]
        with pytest.raises(Throttled) as caught:
            await work.run()
        assert caught.value.retry_after == 9
        assert kind.calls == []
        assert work.at.record.compromised.versions == (leaked.version,)


V1, V2 = "1" * 32, "2" * 32
LATER, NOW = MayComeBack("it may come back"), NeedsHuman("it cannot be revoked", fix="revoke it")


@pytest.mark.parametrize(
    ("errors", "is_unmade", "expected"),
    [
        ((LATER, NOW), False, "it cannot be revoked"),
        ((NOW, LATER), False, "it cannot be revoked"),
        ((LATER, LATER), True, "it may come back"),
        ((LATER, NOW), True, "its key is gone; it cannot be revoked"),
    ],
    ids=["the second", "the first", "only time is needed", "its key makes nothing"],
)
async def test_once_no_leak_can_be_settled_what_a_person_must_deal_with_is_said_first(
    errors: tuple[MayComeBack | NeedsHuman, ...], expected: str, *, is_unmade: bool
) -> None:
    async with rotating(Able()) as work:
        work.at.know(compromised=(V1, V2))
        if is_unmade:
            work.progress.unmade = NeedsHuman("its key is gone", fix="name another one")
        work.rotation.leave_unsettled(V1, errors[0])
        with pytest.raises((MayComeBack, NeedsHuman)) as caught:
            work.rotation.leave_unsettled(V2, errors[1])
        assert caught.value.what == expected
