"""What every kind of credential promises (engine/contract.py), proven for each of them in the same way."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from engine.contract import Derived, Issued, Job, Preflight, Rewrites, Rotator, Tidy, Typed, Undo
from engine.errors import NeedsHuman, PermanentError, RekeyError, VerificationFailed
from engine.secret import Sensitive
from rotators.registry import ROTATORS
from simulator.reach.sabotage import Died, Mode, Saboteur
from tests.parts import crossed
from tests.rotators.subjects import SUBJECTS, Scene, Subject
from tests.shared.builders import kinds_of
from tests.shared.promises import everything
from tests.shared.rig import OPERATION

# Who dies before a call has died after the one before it.
FAULTS: tuple[Mode, ...] = (
    "die after",
    "lose the answer",
    "throttle",
    "fail after the effect",
    "forbid",
)

REGISTERED = kinds_of(*ROTATORS)
every_kind = pytest.mark.parametrize("subject", SUBJECTS, ids=str)
OWN = [subject for subject in SUBJECTS if not isinstance(subject.kind, Derived)]
"""Kinds whose credentials the source itself makes and revokes."""
every_own_kind = pytest.mark.parametrize("subject", OWN, ids=str)
every_derived_kind = pytest.mark.parametrize(
    "subject", [subject for subject in SUBJECTS if subject not in OWN], ids=str
)
every_overlapping_kind = pytest.mark.parametrize(
    "subject", [subject for subject in OWN if subject.slots > 1], ids=str
)
every_single_slot = pytest.mark.parametrize(
    "subject", [subject for subject in SUBJECTS if subject.slots == 1], ids=str
)


async def issue(scene: Scene, rotator: Rotator | None = None) -> Issued:
    """Issue as the engine's second try does: tidy first, where the kind can."""
    rotator = rotator or scene.rotator()
    if isinstance(rotator, Tidy):
        await rotator.tidy(scene.job().source, OPERATION, keep=None)
    return await rotator.issue(scene.job())


@pytest.fixture
def scene(subject: Subject) -> Scene:
    return subject.scene()


def made(subject: Subject, issued: Issued) -> Sensitive:
    return issued.fields[subject.kind.value_field]


def held_by(job: Job) -> Sensitive:
    """Return the credential that the vault holds."""
    assert job.held
    return job.held


@every_overlapping_kind
async def test_a_new_credential_stands_beside_the_live_one_and_is_accepted(
    scene: Scene, subject: Subject
) -> None:
    job = scene.job()
    issued = await scene.rotator().issue(job)
    await scene.rotator().verify(job.source, issued.credential_id, made(subject, issued))
    assert {held_by(job).reveal(), made(subject, issued).reveal()} <= scene.live()
    assert made(subject, issued) != job.held
    assert issued.supersedes == job.held_id
    assert issued.credential_id != job.held_id
    assert scene.value(issued.credential_id) == made(subject, issued).reveal()


@every_single_slot
async def test_a_new_credential_replaces_the_only_one_and_is_accepted(subject: Subject) -> None:
    scene = subject.scene()
    job = scene.job()
    for _ in range(3):
        issued = await scene.rotator().issue(job)
        await scene.rotator().verify(job.source, issued.credential_id, made(subject, issued))
        assert scene.live() == {made(subject, issued).reveal()}
        assert issued.supersedes is None
        assert issued.credential_id == job.held_id


@every_kind
def test_a_kind_says_how_many_slots_it_has(subject: Subject) -> None:
    assert subject.kind.single_slot(subject.scene().job().options) == (subject.slots == 1)


@every_kind
async def test_a_new_credential_fills_every_field_that_a_template_may_use(subject: Subject) -> None:
    issued = await subject.scene().rotator().issue(subject.scene().job())
    assert set(issued.fields) == subject.kind.template_fields
    assert subject.kind.value_field in subject.kind.template_fields
    assert all(field.reveal() for field in issued.fields.values())


@every_overlapping_kind
async def test_tries_of_one_operation_never_pile_up_and_never_touch_the_live_credential(
    scene: Scene, subject: Subject
) -> None:
    held = held_by(scene.job())
    for _ in range(4):
        issued = await issue(scene)
        assert held.reveal() in scene.live()
        assert made(subject, issued).reveal() in scene.live()
        assert len(scene.live()) <= subject.slots


@every_kind
async def test_a_wrong_credential_is_refused(scene: Scene, subject: Subject) -> None:
    issued = await scene.rotator().issue(scene.job())
    with pytest.raises(VerificationFailed) as caught:
        await scene.rotator().verify(
            scene.job().source, issued.credential_id, Sensitive(subject.wrong)
        )
    assert subject.wrong not in everything(caught.value)
    for nonsense in ("", " ", "ü", subject.wrong[::-1]):
        with pytest.raises(PermanentError):
            await scene.rotator().verify(
                scene.job().source, issued.credential_id, Sensitive(nonsense)
            )
    schemes = {exchange.request.url.partition(":")[0] for exchange in scene.rig.world.exchanges}
    assert "http" not in schemes, "nobody in between reads a credential, or answers for its source"


@every_kind
async def test_no_value_is_logged_at_any_level(
    subject: Subject, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    scene = subject.scene()
    job, rotator = scene.job(), scene.rotator()
    issued = await rotator.issue(job)
    for value in (made(subject, issued).reveal(), subject.wrong):
        with suppress(VerificationFailed):
            await rotator.verify(job.source, issued.credential_id, Sensitive(value))
        assert value not in caplog.text
    assert held_by(job).reveal() not in caplog.text


@pytest.mark.parametrize(("subject", "seconds"), crossed(SUBJECTS, [0.4, 20, 45]), ids=str)
async def test_a_proof_waits_until_the_source_has_spread_the_credential(
    scene: Scene, subject: Subject, seconds: float
) -> None:
    scene.spread_slowly(seconds)
    before = scene.rig.clock.now()
    issued = await scene.rotator().issue(scene.job())
    await scene.rotator().verify(scene.job().source, issued.credential_id, made(subject, issued))
    assert (scene.rig.clock.now() - before).total_seconds() >= seconds


@every_kind
async def test_a_credential_that_never_spreads_fails_in_the_end(subject: Subject) -> None:
    scene = subject.scene()
    scene.spread_slowly(86_400)
    issued = await scene.rotator().issue(scene.job())
    with pytest.raises(VerificationFailed):
        await scene.rotator().verify(
            scene.job().source, issued.credential_id, made(subject, issued)
        )


@every_overlapping_kind
async def test_retiring_twice_revokes_the_superseded_credential_and_leaves_the_new_one(
    scene: Scene, subject: Subject
) -> None:
    job = scene.job()
    issued = await scene.rotator().issue(job)
    assert issued.supersedes
    for _ in range(2):
        await scene.rotator().retire(job.source, issued.supersedes, made(subject, issued))
        assert held_by(job).reveal() not in scene.live()
        assert made(subject, issued).reveal() in scene.live()


@every_overlapping_kind
async def test_the_credential_that_the_vault_holds_is_never_revoked(scene: Scene) -> None:
    job = scene.job()
    before = scene.live()
    assert job.held_id
    for held in (job.held, None):
        with pytest.raises(NeedsHuman, match="hold it"):
            await scene.rotator().retire(job.source, job.held_id, held)
    assert scene.live() == before


@every_overlapping_kind
async def test_retiring_at_a_source_that_is_gone_is_fine(scene: Scene) -> None:
    job = scene.job()
    scene.vanish()
    assert job.held_id
    await scene.rotator().retire(job.source, job.held_id, Sensitive("something newer"))


@every_overlapping_kind
async def test_what_is_no_credentials_id_is_never_retired(scene: Scene) -> None:
    before = scene.live()
    with pytest.raises(NeedsHuman, match="CredentialId"):
        await scene.rotator().retire(scene.job().source, "not an id", Sensitive("something"))
    assert scene.live() == before


@every_derived_kind
async def test_what_is_derived_supersedes_nothing_is_accepted_and_known_by_its_key(
    scene: Scene, subject: Subject
) -> None:
    job, rotator = scene.job(), scene.rotator()
    assert job.parent
    assert isinstance(rotator, Derived)
    issued = await rotator.issue(job)
    await rotator.verify(job.source, issued.credential_id, made(subject, issued))
    assert await rotator.accepts(job.source, "", held_by(job)), "the one before it still works"
    assert issued.supersedes is None
    assert issued.expires
    assert issued.expires <= job.expires
    assert made(subject, issued) != job.held
    assert rotator.is_made_from(job.source, made(subject, issued), job.parent.key)
    assert not rotator.is_made_from(job.source, made(subject, issued), Sensitive("QUFB" * 22))
    assert rotator.made_at(job.source) == job.parent.source


@every_derived_kind
async def test_only_the_end_of_its_key_revokes_what_is_derived(scene: Scene) -> None:
    job = scene.job()
    with pytest.raises(NeedsHuman) as caught:
        await scene.rotator().retire(job.source, "any", job.held)
    assert caught.value.fix


@every_derived_kind
async def test_nothing_is_derived_without_a_key_or_from_one_that_has_expired(scene: Scene) -> None:
    for job in (
        replace(scene.job(), parent=None),
        replace(scene.job(), expires=scene.rig.clock.now()),
    ):
        with pytest.raises(NeedsHuman, match="key"):
            await scene.rotator().issue(job)


@every_own_kind
async def test_a_source_that_is_gone_is_told_when_a_credential_is_asked_of_it(scene: Scene) -> None:
    job = scene.job()
    scene.vanish()
    with pytest.raises(PermanentError) as caught:
        await scene.rotator().issue(job)
    assert scene.source_name in str(caught.value)
    assert caught.value.fix


@every_kind
async def test_a_preflight_changes_nothing(scene: Scene) -> None:
    rotator, before = scene.rotator(), scene.live()
    assert isinstance(rotator, Preflight)
    await rotator.preflight(scene.job())
    assert scene.live() == before


@every_kind
def test_an_address_has_one_spelling_and_that_spelling_is_its_own(subject: Subject) -> None:
    for written, canonical in subject.addresses.items():
        assert subject.kind.canonical(written, subject.tags) == canonical
        # With a segment that tells two credentials of one server apart, it is no address that
        # anybody writes.
        own = ("/logins/", "/keys/", "/certificates")
        expected = None if any(segment in canonical for segment in own) else canonical
        assert subject.kind.canonical(canonical, subject.tags) == expected


@every_kind
def test_an_address_is_found_by_its_type_as_if_every_kind_were_asked(subject: Subject) -> None:
    assert isinstance(subject.kind, Typed)
    for written in subject.addresses:
        every, claiming = (
            [kind for kind in kinds if kind.canonical(written, subject.tags)]
            for kinds in (REGISTERED.values(), REGISTERED.claiming(written))
        )
        assert subject.kind in claiming
        assert claiming == every


@every_kind
def test_addresses_of_other_kinds_are_left_to_them(subject: Subject) -> None:
    others = [
        (address, other.tags)
        for other in SUBJECTS
        if other.kind is not subject.kind
        for address in other.addresses
    ]
    assert others
    for address, tags in [
        *others,
        *((address, {}) for address in ("", "nonsense", "/subscriptions/x", "https://example.com")),
    ]:
        assert subject.kind.canonical(address, tags) is None


@every_kind
def test_kinds_have_names_of_their_own(subject: Subject) -> None:
    assert {other.kind for other in SUBJECTS if other.kind.kind == subject.kind.kind} == {
        subject.kind
    }
    assert [str(other) for other in SUBJECTS].count(str(subject)) == 1


async def strike(
    subject: Subject,
    act: Callable[[Scene, Rotator], Awaitable[object]],
    check: Callable[[Scene], Awaitable[None]],
) -> int:
    """Let every fault strike every call of `act`, then act again in a fresh process, and check.

    Returns how many did.
    """
    sound = Saboteur()
    await act(ready := subject.scene(), ready.rotator(sound))
    for at in range(sound.calls):
        for fault in FAULTS:
            scene, saboteur = subject.scene(), Saboteur({at: fault})
            planted, emitted = scene.live(), ""
            try:
                await act(scene, scene.rotator(saboteur))
            except Died:
                pass
            except RekeyError as error:
                emitted = everything(error)
            assert saboteur.calls > at
            assert not any(value in emitted for value in planted | scene.live()), (
                "P6: a value leaked"
            )
            # A long-running change that was begun comes to its end.
            scene.rig.clock.advance(60)
            await act(scene, scene.rotator())
            await check(scene)
    return sound.calls * len(FAULTS)


async def prove(scene: Scene, rotator: Rotator) -> None:
    job = scene.job()
    assert job.held_id
    await rotator.verify(job.source, job.held_id, held_by(job))


@every_own_kind
async def test_issuing_may_be_repeated_whatever_happened_to_it(subject: Subject) -> None:
    async def check(scene: Scene) -> None:
        assert (held_by(scene.job()).reveal() in scene.live()) == (subject.slots > 1)
        assert len(scene.live()) <= subject.slots

    assert await strike(subject, issue, check)


@every_single_slot
async def test_what_the_vault_holds_can_be_set_back_whatever_happened_to_that_before(
    subject: Subject,
) -> None:
    async def undo(scene: Scene, rotator: Rotator) -> None:
        job = scene.job()
        assert isinstance(rotator, Undo)
        if held_by(job).reveal() in scene.live():
            await scene.rotator().issue(job)
            # Whoever may not watch a change proves its password before it is set back.
            scene.rig.clock.advance(60)
        await rotator.undo(job, held_by(job))

    async def check(scene: Scene) -> None:
        await prove(scene, scene.rotator())

    assert await strike(subject, undo, check)


@every_kind
async def test_proving_may_be_repeated_whatever_happened_to_it(subject: Subject) -> None:
    async def check(scene: Scene) -> None:
        assert len(scene.live()) <= subject.slots

    assert await strike(subject, prove, check)


@every_overlapping_kind
async def test_retiring_may_be_repeated_whatever_happened_to_it(subject: Subject) -> None:
    """The superseded credential is the one that the scene began with; a newer one is held."""
    newer: dict[int, Issued] = {}
    first: dict[int, str] = {}

    async def retire(scene: Scene, rotator: Rotator) -> None:
        if id(scene) not in newer:
            first[id(scene)] = held_by(scene.job()).reveal()
            newer[id(scene)] = await scene.rotator().issue(scene.job())
            scenes.append(scene)
        issued = newer[id(scene)]
        assert issued.supersedes
        await rotator.retire(scene.job().source, issued.supersedes, made(subject, issued))

    async def check(scene: Scene) -> None:
        assert first[id(scene)] not in scene.live()
        assert made(subject, newer[id(scene)]).reveal() in scene.live()

    scenes: list[Scene] = []
    assert await strike(subject, retire, check)


def test_a_kind_whose_list_is_taken_as_a_whole_says_so() -> None:
    """Graph has no other way to list a certificate; no incident ends before a late one has come."""
    whole = {kind for kind, rotator in REGISTERED.items() if isinstance(rotator, Rewrites)}
    assert whole == {"service-principal-certificate"}
