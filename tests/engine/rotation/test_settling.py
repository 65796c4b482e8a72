"""How one version that has leaked is proven to be refused, or revoked: the outcomes of each way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import groupby
from typing import Any

import pytest

from engine.contract import Job, Recognised
from engine.errors import MayComeBack, NeedsHuman, NotFound, RekeyError, TransientError
from engine.secret import Sensitive
from engine.state.decision import Park
from engine.state.record_parts import Past
from engine.state.tags import CREDENTIAL, Pending
from tests.engine.rotation.held import other_owner
from tests.engine.rotation.plain_kind import (
    NEW,
    NEW_ID,
    OLD,
    OLD_ID,
    SOURCE,
    Able,
    Work,
    url,
    working,
)
from tests.shared.rig import Rig
from tests.shared.scene import NAME

HOUR = timedelta(hours=1)
TRIED = "tried at its source, which refused it twice in a row"
UNLISTED = "its source shows or lists it no more"
IN_PLACE = "its source takes one credential at a time, and accepted the one in its place"
SAME = "a later version holds the same value, and is cut off in its place"


@dataclass
class Revoking(Able):
    """One that revokes its credentials by their ids."""

    values: Mapping[str, str] = field(default_factory=lambda: {OLD_ID: OLD, NEW_ID: NEW})
    spreads: bool = True
    """What is revoked is refused."""
    unknown: RekeyError | None = None
    """What recognising a credential ends with."""
    after: Mapping[str, Mapping[str, Sensitive]] | None = None
    """What is shown once something was revoked, if that is anything else."""

    async def retire(self, *sent: Any) -> None:
        source, credential_id, held, held_id = sent
        assert source.startswith(SOURCE)
        self.calls.append(f"retire {credential_id} beside {held and held.reveal()} {held_id}")
        self.shown = self.shown if self.after is None else self.after
        if self.spreads:
            self.accepted.discard(self.values[credential_id])

    async def recognise(self, job: Job) -> Recognised:
        self.jobs.append(job)
        if self.unknown:
            raise self.unknown
        return await super().recognise(job)


@dataclass
class Blind(Revoking):
    """One that cannot tell which credential a value is."""

    recognise: None = None  # type: ignore[assignment]


@dataclass
class Hidden(Revoking):
    """One whose source does not show its credentials."""

    read: None = None  # type: ignore[assignment]


@dataclass
class Listing(Revoking):
    """One whose source lists which ids there are."""

    async def lists(self, source: str, credential_id: str) -> bool:
        assert source == SOURCE
        self.calls.append(f"lists {credential_id}")
        return self.values.get(credential_id) in self.accepted


@dataclass
class Logins(Revoking):
    """One whose source has a part for each login that the tags name."""

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        names = tags.get("Logins") or tags.get(CREDENTIAL, "")
        return f"{address}/{names}" if address == SOURCE else None

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        assert source == f"{SOURCE}/{NEW_ID}+{OLD_ID}"
        return await super().accepts(SOURCE, credential_id, credential)


@dataclass
class Left(Logins):
    """One whose tags name a login no more that an earlier version named."""

    still: bool = True
    """That login accepts what leaked."""

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        if source == f"{SOURCE}/left":
            self.calls.append("tried at the login that was left")
            return self.still
        return await super().accepts(source, credential_id, credential)


@asynccontextmanager
async def leaking(
    kind: Revoking, *, old: str = OLD, enabled: bool = True, is_current: bool = False, **more: Any
) -> AsyncIterator[tuple[Work, str]]:
    """Look at a secret of which a version has leaked: an earlier one, or the current one."""
    rig, tags = Rig(), {"CredentialId": NEW_ID}
    earlier = rig.vault.put(NAME, old, created=rig.clock.now() - HOUR, enabled=enabled)
    options = {"rig": rig, "value": NEW, "compromised": True, **more}
    async with working(kind, {**tags, **options.pop("tags", {})}, **options) as work:
        await other_owner(work.at.lease, work.at.secret)
        version = str(work.at.secret.version) if is_current else earlier.version
        work.at.know(kind="plain", compromised=(version,), key="ab" * 32)
        kind.calls.clear()
        yield work, version


def proof(work: Work, version: str) -> str:
    """Return how a version was proven to be refused."""
    return work.at.record.compromised.revoked[version].partition(" ")[2]


def enabled(work: Work) -> list[bool]:
    return [version.enabled for version in work.rig.vault.versions(NAME)]


async def test_what_is_refused_is_tried_twice_and_disabled() -> None:
    async with leaking(Revoking(accepted={NEW})) as (work, version):
        await work.settle(version)
        assert work.kind.calls == [f"accepts  {OLD}"] * 2
        assert proof(work, version) == TRIED
        assert work.at.record.compromised.versions == ()
        assert enabled(work) == [False, True]
        assert work.at.record.history.credentials == ()


@pytest.mark.parametrize("is_known", [False, True])
async def test_what_is_accepted_is_recognised_revoked_and_tried_again(*, is_known: bool) -> None:
    """What its source says counts, though the record knows an id."""
    async with leaking(Revoking(accepted={OLD, NEW})) as (work, version):
        digest = work.at.record.digest(NEW_ID, Sensitive(OLD))
        work.at.know(past=(Past(version, NEW_ID, digest),) if is_known else ())
        await work.settle(version)
        assert work.kind.calls == [
            f"accepts  {OLD}",
            f"recognise None {OLD}",
            f"retire {OLD_ID} beside {NEW} None",
            *[f"accepts {OLD_ID} {OLD}"] * 2,
        ]
        assert work.kind.jobs[0].in_place, (
            "who made another credential since, and when, is no matter"
        )
        assert proof(work, version) == TRIED
        digest = work.at.record.digest(OLD_ID, Sensitive(OLD))
        assert work.at.record.history.credentials == (Past(version, OLD_ID, digest),)
        assert enabled(work) == [False, True]


@pytest.mark.parametrize(
    ("unknown", "reason"),
    [
        (NotFound("the source is gone"), "is still accepted, and the source is gone"),
        (NeedsHuman("nobody can tell which"), "is still accepted, and nobody can tell which"),
    ],
)
async def test_what_is_accepted_and_not_recognised_is_left_to_a_person(
    unknown: RekeyError, reason: str
) -> None:
    kind = Revoking(accepted={OLD, NEW}, unknown=unknown)
    async with leaking(kind) as (work, version):
        with pytest.raises(NeedsHuman) as caught:
            await work.settle(version)
        assert caught.value.what == f"version {version[:8]} {reason}"
        assert (caught.value.where, caught.value.fix) == (SOURCE, "revoke it at its source by hand")
        assert work.at.record.compromised.versions == (version,)


async def test_what_a_kind_recognises_by_the_template_of_its_version() -> None:
    kind = Revoking(accepted={OLD, NEW})
    async with leaking(kind, old=f"key={OLD};n=1") as (work, version):
        work.at.know(followed=("key={key};n=1",))
        await work.settle(version)
        assert kind.calls[3:5] == [f"recognise None {OLD}", f"retire {OLD_ID} beside {NEW} None"]


@pytest.mark.parametrize(("is_open", "error"), [(False, TransientError), (True, NeedsHuman)])
async def test_what_is_accepted_once_it_was_revoked_ends_no_incident(
    error: type[RekeyError], *, is_open: bool
) -> None:
    """A revocation may spread slowly; of one that lasts a person hears."""
    async with leaking(Revoking(accepted={OLD, NEW}, spreads=False)) as (work, version):
        if is_open:
            work.at.know(changing=work.at.now)
        with pytest.raises(error, match=f"{OLD_ID} was revoked, but is still accepted") as caught:
            await work.settle(version)
        assert (caught.value.where, caught.value.code) == (SOURCE, "NotRevoked")
        assert work.at.record.compromised.versions == (version,)
        assert work.at.record.history.credentials == ()


async def test_the_current_version_is_refused_or_left_to_a_person() -> None:
    async with leaking(Revoking(accepted={NEW}), is_current=True) as (work, version):
        accepted = "the current version is compromised and still accepted"
        fix = "revoke its credential at the source, or let Rekey rotate it"
        for unmade, reason in ((None, "; asked"), (NeedsHuman("its key is gone"), "")):
            work.progress.unmade = unmade
            with pytest.raises(NeedsHuman) as caught:
                await work.settle(version)
            assert caught.value.what == f"{accepted}{reason}"
            assert (caught.value.where, caught.value.fix) == (SOURCE, fix)
        work.kind.accepted.clear()
        await work.settle(version)
        assert proof(work, version) == TRIED


async def test_where_nothing_may_be_done_for_the_secret_nothing_is_tried() -> None:
    async with leaking(Revoking(accepted={NEW})) as (work, version):
        with pytest.raises(NeedsHuman) as caught:
            await work.settle(version, Park("a tag is malformed", "correct it"))
        assert (caught.value.what, caught.value.fix) == ("a tag is malformed", "correct it")
        assert caught.value.where == str(work.at.secret.ref)
        assert work.kind.calls == []


@pytest.mark.parametrize(
    ("old", "value"), [(NEW, NEW), (NEW, f"key={NEW};n=1"), (f"key={NEW};n=1", NEW)]
)
@pytest.mark.parametrize("is_open", [False, True])
async def test_what_the_current_version_holds_is_cut_off_with_that(
    old: str, value: str, *, is_open: bool
) -> None:
    """An earlier request that may land is the matter of that version."""
    async with leaking(Revoking(accepted={NEW}), old=old, value=value) as (work, version):
        work.at.know(followed=("key={key};n=1",))
        if is_open:
            work.at.know(open_until=work.at.now + HOUR)
        await work.settle(version)
        current = str(work.at.secret.version)
        assert work.at.record.compromised.versions == (current,)
        assert proof(work, version) == f"{SAME}: {current}"
        assert work.kind.calls == []
        assert enabled(work) == [True, True]


@pytest.mark.parametrize(("ahead", "is_waiting"), [(HOUR, True), (-HOUR, False), (None, False)])
async def test_what_an_earlier_request_may_bring_back_is_not_settled(
    ahead: timedelta | None, *, is_waiting: bool
) -> None:
    async with leaking(Revoking(accepted={NEW})) as (work, version):
        work.at.know(open_until=ahead and work.at.now + ahead)
        if is_waiting:
            with pytest.raises(MayComeBack, match=f"version {version[:8]} is refused, and an earl"):
                await work.settle(version)
        else:
            await work.settle(version)
        assert work.at.record.compromised.versions == ((version,) if is_waiting else ())
        assert enabled(work) == [is_waiting, True]


@pytest.mark.parametrize("is_former", [False, True])
@pytest.mark.parametrize("is_purged", [False, True])
async def test_what_nobody_can_read_and_the_record_does_not_know_is_left_to_a_person(
    *, is_purged: bool, is_former: bool
) -> None:
    """Whoever is to enable it is told whose it is."""
    async with leaking(Revoking(accepted={OLD, NEW}), enabled=False) as (work, version):
        place, versions = url("former"), work.rig.vault.secrets
        if is_former:
            versions["former"] = [versions[NAME].pop(0)]
            work.at.know(prints={f"{place}/{version}": "a print"})
        if is_purged:
            del versions["former" if is_former else NAME][0]
        with pytest.raises(NeedsHuman, match="cannot be read and may still be accepted") as caught:
            await work.settle(version)
        fix = "the vault has no such version" if is_purged else "enable that version for a moment"
        assert caught.value.fix.startswith(fix)
        assert caught.value.where == (place if is_former else str(work.at.secret.ref))
        assert work.at.record.compromised.versions == (version,)
        assert work.kind.calls == []


@pytest.mark.parametrize(
    ("was", "shown", "tags", "calls", "how"),
    [
        pytest.param(NEW, {}, {}, [], SAME, id="the current version holds it"),
        pytest.param(OLD, {OLD_ID: "other"}, {}, ["read old"] * 2, UNLISTED, id="it is replaced"),
        pytest.param(
            OLD,
            {OLD_ID: "other"},
            {"ValueTemplate": "other={key}"},
            ["read old"] * 2,
            UNLISTED,
            id="nothing reads what is held",
        ),
        pytest.param(
            OLD,
            {OLD_ID: OLD},
            {},
            ["read old", f"retire {OLD_ID} beside {NEW} None", "read old"],
            "",
            id="it is there",
        ),
        pytest.param(
            OLD,
            {},
            {},
            ["read old", f"retire {OLD_ID} beside {NEW} None", "read old"],
            "",
            id="nothing is shown",
        ),
    ],
)
async def test_what_nobody_can_read_is_known_by_its_digest(
    was: str, shown: Mapping[str, str], tags: dict[str, str], calls: list[str], how: str
) -> None:
    kind = Revoking(accepted={OLD, NEW})
    kind.shown = {name: {"key": Sensitive(text)} for name, text in shown.items()}
    async with leaking(kind, enabled=False, tags=tags) as (work, version):
        digest = work.at.record.digest(OLD_ID, Sensitive(was))
        work.at.know(past=(Past(version, OLD_ID, digest),))
        if how:
            await work.settle(version)
            assert proof(work, version).startswith(how)
        else:
            with pytest.raises(NeedsHuman, match="cannot be read"):
                await work.settle(version)
        assert kind.calls == calls
        assert enabled(work) == [False, True]


async def test_a_current_version_that_a_person_disables_is_not_cut_off_in_its_own_place() -> None:
    """It was read before, and the record knows its credential: a rotation of it is announced."""
    async with leaking(Hidden(accepted={NEW}), is_current=True) as (work, version):
        past = Past(version, NEW_ID, work.at.record.digest(NEW_ID, Sensitive(NEW)))
        work.at.know(past=(past,))
        work.rig.vault.amend(work.rig.latest(NAME), enabled=False)
        with pytest.raises(NeedsHuman, match="cannot be read and may still be accepted"):
            await work.settle(version)
        assert work.at.record.compromised.versions == (version,)


async def test_what_nobody_can_read_is_revoked_by_its_id_until_its_source_shows_another() -> None:
    kind = Revoking(accepted={OLD, NEW})
    kind.shown = {OLD_ID: {"key": Sensitive(OLD)}}
    async with leaking(kind, enabled=False) as (work, version):
        past = Past(version, OLD_ID, work.at.record.digest(OLD_ID, Sensitive(OLD)))
        work.at.know(past=(past,))
        kind.after = {OLD_ID: {"key": Sensitive("other")}}
        await work.settle(version)
        assert proof(work, version) == UNLISTED
        assert kind.calls == ["read old", f"retire {OLD_ID} beside {NEW} None", "read old"]


@pytest.mark.parametrize(
    ("facts", "tags", "how"),
    [
        pytest.param({}, {}, IN_PLACE, id="replaced in place"),
        pytest.param({"tags": None}, {}, IN_PLACE, id="its tags are gone, and named no login"),
        pytest.param({"single": None}, {}, TRIED, id="more than one slot"),
        pytest.param({"earlier": ()}, {}, TRIED, id="not replaced by Rekey"),
        pytest.param({"published": None}, {}, TRIED, id="a person has written on top"),
        pytest.param({"accepted": set()}, {}, TRIED, id="what was published is refused"),
        pytest.param({}, {"ValueTemplate": "other={key}"}, TRIED, id="nothing reads what is held"),
    ],
)
async def test_a_password_is_replaced_in_place_where_what_rekey_published_is_accepted(
    facts: dict[str, Any], tags: dict[str, str], how: str
) -> None:
    """It is not tried then: its version may be disabled."""
    single = {} if "single" in facts else {"Single": "yes"}
    kind = Revoking(accepted=facts.get("accepted", {NEW}))
    async with leaking(kind, tags={**single, **tags}) as (work, version):
        work.at.published(NEW_ID, earlier=facts.get("earlier", (version,)))
        if "published" in facts:
            work.at.know(published=None)
        if "tags" in facts:
            before = {tag: it for tag, it in work.at.secret.tags.items() if tag != CREDENTIAL}
            work.at.know(tags=before)
            work.at.secret = replace(work.at.secret, tags={})
        await work.settle(version)
        assert proof(work, version) == how
        assert enabled(work) == [False, True]
        if how == IN_PLACE:
            named = "" if "tags" in facts else NEW_ID
            assert kind.calls == [f"accepts {named} {NEW}"]


async def test_what_a_kind_cannot_recognise_is_left_to_a_person() -> None:
    async with leaking(Blind(accepted={OLD, NEW})) as (work, version):
        with pytest.raises(NeedsHuman) as caught:
            await work.settle(version)
        assert caught.value.what == f"the credential of version {version} is still accepted"
        assert (caught.value.where, caught.value.fix) == (SOURCE, "revoke it there")


@pytest.mark.parametrize(("was", "tried"), [(OLD, [OLD]), (None, [f"key={OLD};n=1", OLD])])
async def test_each_text_that_may_be_the_credential_is_tried_unless_the_record_knows_which(
    was: str | None, tried: list[str]
) -> None:
    async with leaking(Revoking(accepted={NEW}), old=f"key={OLD};n=1") as (work, version):
        digest = work.at.record.digest(OLD_ID, Sensitive(was or ""))
        past = (Past(version, OLD_ID, digest),) if was else ()
        work.at.know(followed=("key={key};n=1",), past=past)
        await work.settle(version)
        assert work.kind.calls == [f"accepts  {text}" for text in tried for _ in range(2)]


async def test_what_nobody_can_read_is_known_by_its_print() -> None:
    async with leaking(Revoking(accepted={NEW}), enabled=False) as (work, version):
        current = str(work.at.secret.version)
        work.at.know(prints={version: "a print", current: "a print"})
        await work.settle(version)
        assert proof(work, version) == f"{SAME}: {current}"


@pytest.mark.parametrize(
    ("accepted", "is_known", "calls", "is_over"),
    [
        ({NEW}, True, ["lists old"] * 3, True),
        (
            {OLD, NEW},
            True,
            ["lists old", f"retire old beside {NEW} None", *["lists old"] * 2],
            True,
        ),
        ({OLD, NEW}, False, [], False),
    ],
)
async def test_what_nobody_can_read_is_gone_once_its_source_lists_it_no_more(
    accepted: set[str], calls: list[str], *, is_known: bool, is_over: bool
) -> None:
    """One server of the source may know of it, and others not yet."""
    async with leaking(Listing(accepted), enabled=False) as (work, version):
        if is_known:
            going = Pending(work.at.now + HOUR, version, OLD_ID)
            work.at.know(pending=going)
        if is_over:
            await work.settle(version)
            assert proof(work, version) == UNLISTED
        else:
            with pytest.raises(NeedsHuman, match="cannot be read and may still be accepted"):
                await work.settle(version)
        assert work.kind.calls == calls


async def test_what_is_still_listed_once_it_was_revoked_ends_no_incident() -> None:
    async with leaking(Listing({OLD, NEW}, spreads=False), enabled=False) as (work, version):
        work.at.know(pending=Pending(work.at.now + HOUR, version, OLD_ID))
        with pytest.raises(NeedsHuman, match="cannot be read and may still be accepted"):
            await work.settle(version)
        assert work.at.record.compromised.versions == (version,)


BOTH = f"{NEW_ID}+{OLD_ID}"
"""Two logins, as tags name them."""
BY_ID = ["accepts", "retire", "accepts"]
RECOGNISED = ["accepts", "recognise", "retire", "accepts"]


@pytest.mark.parametrize(
    ("named", "single", "is_known", "calls", "how"),
    [
        pytest.param(BOTH, "", True, RECOGNISED, TRIED, id="named"),
        pytest.param(BOTH, "", False, RECOGNISED, TRIED, id="of no known login"),
        pytest.param(NEW_ID, "", True, BY_ID, TRIED, id="former"),
        pytest.param(BOTH, "yes", True, ["accepts"], IN_PLACE, id="replaced in place"),
        pytest.param(NEW_ID, "yes", True, BY_ID, TRIED, id="another slot"),
    ],
)
async def test_a_credential_of_a_login_that_the_tags_name_no_more_is_revoked_by_its_id(
    named: str, single: str, calls: list[str], how: str, *, is_known: bool
) -> None:
    """Nobody could recognise it by tags that name other logins."""
    tags = {"Logins": BOTH, **({"Single": "yes"} if single else {})}
    async with leaking(Logins(accepted={OLD, NEW}), tags=tags) as (work, version):
        work.at.published(NEW_ID, earlier=(version,))
        digest = work.at.record.digest(OLD_ID, Sensitive(OLD))
        work.at.know(past=(Past(version, OLD_ID, digest),) if is_known else ())
        work.at.secret = replace(work.at.secret, tags={**work.at.secret.tags, "Logins": named})
        await work.settle(version)
        assert proof(work, version) == how
        steps = [call.partition(" ")[0] for call in work.kind.calls]
        assert [step for step, _ in groupby(steps)] == calls


async def test_what_is_neither_listed_nor_shown_is_not_revoked_in_the_dark() -> None:
    """Nothing would prove that it is gone."""
    async with leaking(Hidden(accepted={OLD, NEW}), enabled=False) as (work, version):
        digest = work.at.record.digest(OLD_ID, Sensitive(OLD))
        work.at.know(past=(Past(version, OLD_ID, digest),))
        with pytest.raises(NeedsHuman, match="cannot be read and may still be accepted"):
            await work.settle(version)
        assert work.kind.calls == []


@pytest.mark.parametrize("still", [True, False])
async def test_a_leak_that_a_login_accepts_which_was_left_is_told_to_a_person(
    *, still: bool
) -> None:
    """Others refuse it, and that proves nothing of this one. They are not tried once more."""
    kind = Left(accepted={NEW}, still=still)
    async with leaking(kind, tags={"Logins": BOTH}) as (work, version):
        named = {**work.at.secret.tags, "Logins": f"{OLD_ID}+left"}
        work.rig.vault.amend(work.rig.vault.versions(NAME)[0], tags=named)
        if still:
            with pytest.raises(NeedsHuman, match="still accepted, and the secret has left left"):
                await work.settle(version)
        else:
            await work.settle(version)
        tried = ["tried at the login that was left"] * (1 if still else 2)
        assert kind.calls == [f"accepts  {OLD}"] * 2 + tried
        assert work.at.record.compromised.versions == ((version,) if still else ())


async def test_where_no_tags_tell_how_values_look_nothing_is_tried() -> None:
    async with leaking(Revoking(accepted={OLD, NEW})) as (work, version):
        work.at.secret = replace(work.at.secret, tags={})
        with pytest.raises(NeedsHuman) as caught:
            await work.settle(version)
        assert caught.value.what == "no tags say where in its values a credential is"
        assert caught.value.fix == "give the secret its tags back"
        assert caught.value.where == str(work.at.secret.ref)
        assert work.kind.calls == []


@pytest.mark.parametrize(
    ("is_deleted", "reason", "fix"),
    [
        (False, f"and one/new+old belongs to the secret {url('other')}", "revoke it at its source"),
        (True, f"was taken over from the secret {url('other')}", "wait: it passes on within a day"),
    ],
)
async def test_what_another_secret_holds_by_now_is_not_revoked(
    reason: str, fix: str, *, is_deleted: bool
) -> None:
    tags = {"Logins": BOTH}
    async with leaking(Logins(accepted={OLD, NEW}), tags=tags) as (work, version):
        part = work.at.lease.leases[1]
        owed = Pending(work.at.now + HOUR, "9" * 32, OLD_ID)
        await part.write(replace(part.record, owner=url("other"), to_retire=(owed,)))
        if not is_deleted:
            mine = {**work.at.secret.tags, "Logins": OLD_ID}
            work.rig.vault.put("other", OLD, tags=mine)
        with pytest.raises(NeedsHuman) as caught:
            await work.settle(version)
        assert reason in caught.value.what
        assert caught.value.fix.startswith(fix)
        assert not [call for call in work.kind.calls if call.startswith("retire")]
