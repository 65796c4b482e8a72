"""A superseded credential is published again; and what is withdrawn after somebody else wrote."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.errors import AccessDenied, NeedsHuman, PermanentError, RekeyError, VerificationFailed
from engine.secret import SecretRef, Sensitive
from engine.state.record_parts import Past
from engine.state.request import Outcome, operation_id
from engine.state.tags import CREDENTIAL, RETIRE, Pending
from tests.engine.rotation.plain_kind import NEW, OLD, OLD_ID, Able, Plain, Work, rotating, working
from tests.shared.builders import Restore
from tests.shared.heard import heard
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, to_vault

DAY = OVERLAP = timedelta(days=1)
EARLIER, EARLIER_ID = "earlier-value", "earlier"
V1 = "1" * 32


async def restored(work: Work, ends: timedelta | None = 10 * DAY, *, enabled: bool = True) -> None:
    """Restore an earlier version that expires then, if at all."""
    expires = None if ends is None else work.at.now + ends
    tags = work.rig.tags(NAME)
    earlier = work.rig.vault.put(NAME, EARLIER, tags=tags, expires=expires, enabled=enabled)
    work.rig.vault.secrets[NAME].reverse()
    pending = Pending(work.at.now + DAY, earlier.version, EARLIER_ID)
    work.at.know(pending=pending)
    await work.restore(work.secret, Restore(work.at.managed, pending))


@pytest.mark.parametrize(
    ("ends", "source_ends", "expected"),
    [
        (10 * DAY, None, 10 * DAY),
        (OVERLAP / 2, None, OVERLAP),
        (None, None, OVERLAP),
        (10 * DAY, 20 * DAY, 10 * DAY),
        (10 * DAY, 5 * DAY, 5 * DAY),
        (OVERLAP / 2, OVERLAP / 4, OVERLAP / 4),
    ],
)
async def test_a_restored_version_expires_as_before_but_neither_at_once_nor_after_its_credential(
    ends: timedelta | None, source_ends: timedelta | None, expected: timedelta
) -> None:
    kind = Able(accepted={OLD, EARLIER})
    async with rotating(kind) as work:
        now = work.at.now
        kind.ends = None if source_ends is None else now + source_ends
        await restored(work, ends)
        assert kind.calls == [
            f"recognise {EARLIER_ID} {EARLIER}",
            f"verify {EARLIER_ID} {EARLIER}",
        ]
        assert work.latest.value == EARLIER
        assert work.latest.expires
        assert work.latest.expires == int((now + expected).timestamp())
        assert work.progress.result == "restored"


async def test_what_somebody_has_put_back_by_hand_is_not_restored_once_more() -> None:
    kind = Plain(accepted={OLD, EARLIER})
    async with rotating(kind) as work:
        tags = work.rig.tags(NAME)
        earlier = work.rig.vault.put(NAME, OLD, tags=tags)
        work.rig.vault.secrets[NAME].reverse()
        pending = Pending(work.at.now + DAY, earlier.version, OLD_ID)
        work.at.know(pending=pending)
        outcome = await work.restore(work.secret, Restore(work.at.managed, pending))
        assert isinstance(outcome, Outcome)
        assert outcome.result == "skipped"
        assert "holds the earlier credential already" in outcome.reason
        assert len(work.rig.vault.versions(NAME)) == 2


@pytest.mark.parametrize("is_settled", [False, True])
async def test_what_has_leaked_and_would_be_restored_is_replaced(*, is_settled: bool) -> None:
    """The current version holds it already, and an incident ends with no restore of that."""
    kind = Plain(accepted={OLD, EARLIER})
    async with rotating(kind) as work:
        earlier = work.rig.vault.put(NAME, OLD, tags=work.rig.tags(NAME))
        work.rig.vault.secrets[NAME].reverse()
        pending = Pending(work.at.now + DAY, earlier.version, OLD_ID)
        leaked = str(work.secret.version)
        facts = {"gone": {leaked: ""}} if is_settled else {"compromised": (leaked,)}
        work.at.know(pending=pending, **facts)
        await work.restore(work.secret, Restore(work.at.managed, pending))
        assert (work.latest.value, work.progress.result) == (NEW, "rotated")
        retire = Pending.parse(work.rig.tags(NAME)[RETIRE])
        assert (retire.version, retire.at) == (leaked, work.at.now)


async def test_a_restored_credential_is_as_old_as_it_is_and_its_successor_gets_an_overlap() -> None:
    kind = Plain(accepted={OLD, EARLIER})
    async with rotating(kind) as work:
        await restored(work)
        earlier, current, _ = work.rig.vault.versions(NAME)
        published = work.at.record.published
        assert published
        born = datetime.fromtimestamp(earlier.created, work.at.now.tzinfo)
        assert (published.born, published.original) == (born, earlier.version)
        tags = work.rig.tags(NAME)
        assert tags[CREDENTIAL] == EARLIER_ID
        retire = Pending.parse(tags[RETIRE])
        assert (retire.version, retire.credential_id) == (current.version, OLD_ID)
        assert retire.at >= work.at.now + OVERLAP
        assert kind.calls == [f"verify {EARLIER_ID} {EARLIER}"], "the kind recognises nothing"


async def test_what_its_source_does_not_accept_any_more_is_not_restored() -> None:
    async with rotating(Plain()) as work:
        with pytest.raises(VerificationFailed):
            await restored(work)
        assert work.latest.value == OLD
        assert work.at.record.pending_write is None


@pytest.mark.parametrize(
    ("enabled", "error"), [(False, NeedsHuman), (True, AccessDenied)], ids=["disabled", "forbidden"]
)
async def test_a_version_that_cannot_be_read_is_not_restored(
    error: type[RekeyError], *, enabled: bool
) -> None:
    async with rotating(Plain(accepted={OLD, EARLIER})) as work:
        if enabled:
            refuse(work.rig, 403, "Forbidden", to_vault())
        with pytest.raises(error):
            await restored(work, enabled=enabled)
        assert work.latest.value == OLD


@pytest.mark.parametrize("is_nonsense", [False, True])
async def test_what_a_person_has_written_is_superseded_by_a_restore_as_its_source_knows_it(
    *, is_nonsense: bool
) -> None:
    """A kind may refuse to try a value. Then what Rekey had published before works on."""

    class Strict(Able):
        async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
            if is_nonsense:
                raise PermanentError("it is no value of this kind")
            return await super().accepts(source, credential_id, credential)

    kind = Strict(accepted={OLD, EARLIER}, recognised="last")
    async with working(kind, {CREDENTIAL: "last" if is_nonsense else None}) as work:
        last = work.at.announced(DAY, credential_id="last").landed(V1, work.at.now - DAY)
        work.at.know(published=last)
        await restored(work)
        retire = Pending.parse(work.rig.tags(NAME)[RETIRE])
        version = V1 if is_nonsense else work.secret.version
        assert (retire.version, retire.credential_id) == (version, "last")


async def test_an_earlier_value_in_another_form_is_restored_in_the_present_one() -> None:
    kind = Plain(accepted={OLD, EARLIER})
    async with working(kind, {"ValueTemplate": "Key={key}"}, value=f"Key={OLD}") as work:
        await restored(work)
        assert work.latest.value == f"Key={EARLIER}"


async def test_what_an_earlier_version_held_is_not_guessed_where_no_template_reads_it() -> None:
    """The record knows its credential, and what the value shows is another one."""
    async with rotating(Plain(accepted={OLD, EARLIER})) as work:
        work.at.know(key="ab" * 32)
        version = work.rig.vault.put(NAME, EARLIER).version
        work.rig.vault.secrets[NAME].reverse()
        digest = work.at.record.digest(EARLIER_ID, Sensitive("in a form of their own"))
        pending = Pending(work.at.now + DAY, version, EARLIER_ID)
        work.at.know(pending=pending, past=(Past(version, EARLIER_ID, digest),))
        with pytest.raises(NeedsHuman, match="the earlier value does not follow ValueTemplate"):
            await work.restore(work.secret, Restore(work.at.managed, pending))
        assert work.latest.value == OLD


@pytest.mark.parametrize(
    ("accepted", "value", "credential_id", "is_refused"),
    [
        ({OLD}, OLD, OLD_ID, False),
        (set[str](), OLD, OLD_ID, True),
        (set[str](), OLD, None, True),
        (set[str](), "in no form", OLD_ID, False),
    ],
)
async def test_whether_a_version_is_refused_is_asked_once_of_what_it_holds(
    accepted: set[str], value: str, credential_id: str | None, *, is_refused: bool
) -> None:
    kind = Plain(accepted=accepted)
    shape = "{key}" if value == OLD else "Key={key}"
    tags = {CREDENTIAL: credential_id, "ValueTemplate": shape}
    async with working(kind, tags, value=value) as work:
        assert await work.rotation.is_refused(work.at.secret) is is_refused
        tries = [f"accepts {credential_id or ''} {OLD}"]
        assert kind.calls == (tries if value == OLD else [])


@pytest.mark.parametrize(
    ("accepted", "is_known", "is_noted"),
    [({OLD}, True, True), ({OLD}, False, False), (set[str](), True, False)],
)
async def test_the_tags_of_a_version_that_is_found_accepted_once_more_are_noted(
    accepted: set[str], *, is_known: bool, is_noted: bool
) -> None:
    """A retirement needs them, and somebody may remove them before it is due."""
    async with working(Plain(accepted=accepted)) as work:
        work.at.know(proven=str(work.at.secret.version) if is_known else V1, tags={})
        await work.rotation.is_refused(work.at.secret)
        assert ("ProviderAddress" in work.at.record.verified.tags) is is_noted


@pytest.mark.parametrize(
    ("replicas", "facts", "is_tidied"),
    [
        (False, {}, True),
        (True, {"ahead": True}, False),
        (True, {}, True),
        (False, {"ahead": True}, False),
        (False, {"touched": ""}, False),
        (False, {"earlier": (V1,)}, False),
    ],
)
async def test_what_was_made_for_a_version_that_somebody_replaced_is_taken_back(
    facts: dict[str, Any], *, replicas: bool, is_tidied: bool
) -> None:
    """Unless an announced write or a replica may hold it, or it is what is current."""
    kind = Able()
    copies = {"Replicas": "https://prod.vault.azure.net/secrets/copy"} if replicas else {}
    async with working(kind, copies) as work:
        if facts.get("ahead"):
            facts = {"ahead": work.at.announced()}
        work.at.know(**{"touched": V1, "kind": kind.kind, **facts})
        await work.withdraw()
        operation = operation_id(SecretRef(work.rig.vault.url, NAME), V1)
        calls = [f"recognise None {OLD}", f"tidy {operation} but old"]
        assert kind.calls == (calls if is_tidied else [])


@pytest.mark.parametrize(
    ("action", "call", "has_asked", "is_tidied"),
    [
        ("rotate", "issue", False, True),
        ("audit", "verify", True, False),
        ("retire", "retire", False, False),
    ],
)
async def test_what_a_rotation_made_is_taken_back_by_the_run_that_ends_it_for_good(
    action: str, call: str, *, has_asked: bool, is_tidied: bool
) -> None:
    """What an earlier run has asked for may still come, and a revocation makes nothing."""

    async def fail(*_: object) -> None:
        raise PermanentError("it is locked")

    kind = Able()
    setattr(kind, call, fail)
    async with rotating(kind, action=action, force=action == "rotate") as work:
        now, pending = work.at.now, Pending(work.at.now, V1, EARLIER_ID)
        work.at.know(pending=pending if action == "retire" else None, kind=kind.kind)
        if has_asked:
            work.at.know(touched=work.secret.version, asked=now, begun=now, open_until=now + DAY)
        _, outcome = await work.run()
        assert outcome.reason.startswith("it is locked")
        assert any(it.startswith("tidy") for it in kind.calls) is is_tidied


async def test_what_a_person_wrote_is_kept_by_what_it_holds_whatever_its_tag_names() -> None:
    kind = Able(recognised="their-own")
    async with working(kind) as work:
        work.at.know(touched=V1, kind=kind.kind)
        await work.withdraw()
        assert kind.calls[-1].endswith(" but their-own")


async def test_a_kind_that_leaves_nothing_behind_is_asked_to_remove_nothing() -> None:
    kind = Plain()
    async with working(kind) as work:
        work.at.know(touched=V1, kind=kind.kind)
        await work.withdraw()
        assert kind.calls == []


async def test_what_an_earlier_try_published_is_reported_before_it_is_superseded(rig: Rig) -> None:
    """Its worker died before that was noted, and nothing looks at that version again."""
    await rig.handle(NAME)
    published = rig.latest(NAME).version
    await rig.note(rig.tags(NAME)["ProviderAddress"].lower(), NAME, untold=True)
    engine = rig.service().engine
    outcomes = heard(engine.reporter)
    await engine.handle(rig.item(NAME, action="restore"))
    versions = [(outcome.result, outcome.new_version) for outcome in outcomes]
    assert versions == [("rotated", published), ("restored", rig.latest(NAME).version)]
