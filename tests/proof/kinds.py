"""One rotator for every strategy there is, each call a point of its own.

They repeat what the real ones do, without an SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from engine.contract import CLOCKS, LATE, WAY_BACK, Issued, Job, Recognised
from engine.errors import (
    NeedsHuman,
    PermanentError,
    TransientError,
    VerificationFailed,
    before_sending,
)
from engine.secret import Sensitive
from engine.state.record import parts_of
from tests.proof.hand import Hand
from tests.proof.kernel import EPOCH
from tests.proof.sources import Entry, Many, Slots

RESOLUTION = timedelta(seconds=2)
"""As rotators/storage_key.py has it: how much later than its version a key may have been made."""
DERIVED = "/sas/"
"""What distinguishes the address of what is made from a key."""
PAUSES = (0.5, 4.0, 55.0)
"""Seconds between the tries of a proof: a minute in all, as the real ones take."""


def _must_be_told(job: Job) -> str:
    """Return the credential that the vault holds.

    Raises NeedsHuman where the value does not show it.
    """
    if job.held is None:
        raise NeedsHuman("the value does not follow ValueTemplate", fix="correct it")
    return job.held.reveal()


@dataclass(frozen=True)
class _Kind:
    hand: Hand
    kind: ClassVar[str]
    value_field: ClassVar[str] = "key"
    template_fields: ClassVar[frozenset[str]] = frozenset({"key"})

    @classmethod
    def canonical(cls, address: str, tags: Mapping[str, str]) -> str | None:
        del tags
        mine = address.startswith(f"/{cls.kind}/") and DERIVED not in address
        return address if mine else None

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        del tags
        return False

    async def _proves(self, source: str, credential: str) -> bool:
        accepts = lambda: self.hand.world.sources[source].accepts(credential)  # noqa: E731
        return await self.hand.reach("prove", accepts, of=(source, credential))

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        del credential_id
        for wait in (*PAUSES, *self.hand.world.patience, None):
            if await self._proves(source, credential.reveal()):
                self.hand.world.watch.proven(credential.reveal())
                return
            if wait is not None:
                await self.hand.world.kernel.sleep(wait)
        raise VerificationFailed(
            "the source refuses the credential", where=source, fix="write another"
        )

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        del credential_id
        return await self._proves(source, credential.reveal())

    async def _set(self, source: str, slot: str) -> str:
        slots = self._slots(source)
        set_it = lambda: self._refilled(slots, slot)  # noqa: E731 - said where it is sent
        try:
            return await self.hand.reach(f"set {slot}", set_it, changes=True, sandboxed=True)
        except PermanentError as refused:
            refused.unsent = True
            raise

    def _refilled(self, slots: Slots, slot: str, credential: str = "") -> str:
        return slots.refill(slot, credential)

    def _slots(self, source: str) -> Slots:
        slots = self.hand.world.sources[source]
        assert isinstance(slots, Slots)
        return slots


SINCE = "after Rekey had last changed this source"


class TwoSlots(_Kind):
    """As storage-key.

    The slot that the vault does not hold is replaced, and its new value can be read.
    """

    kind = "two-slots"
    late: ClassVar[timedelta] = LATE + CLOCKS
    """How long after it was begun a change may come."""
    other: ClassVar[Mapping[str, str]] = {"key1": "key2", "key2": "key1"}

    async def issue(self, job: Job) -> Issued:
        if job.in_place:
            keys = await self._list(job.source)
            return Issued(str(job.held_id), {"key": Sensitive(keys[str(job.held_id)])}, None)
        with before_sending():
            held = str(job.held_id) if job.proven else await self._held(job)
            slot = self.other[held]
            if job.proven:
                # The listing that says so is no call here: it would be one more of many.
                self._nobody_elses(job, slot)
        key = await self._made(job, slot) or await self._set(job.source, slot)
        return Issued(slot, {"key": Sensitive(key)}, held)

    async def _made(self, job: Job, slot: str) -> str | None:
        """Return what an earlier try has made, where that outlasts a call; else None."""
        del job, slot
        return None

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        del held_id
        keys = await self._list(source)
        if held is None or keys[credential_id] == held.reveal():
            raise NeedsHuman(f"{credential_id} may be the one in use", fix="revoke it by hand")
        await self._set(source, credential_id)

    async def read(self, job: Job, credential_id: str) -> Mapping[str, Sensitive] | None:
        keys = await self._list(job.source)
        return {"key": Sensitive(keys[credential_id])} if credential_id in keys else None

    async def recognise(self, job: Job) -> Recognised:
        keys, value = await self._list(job.source), job.held.reveal() if job.held else ""
        slot = next((slot for slot, key in keys.items() if key == value), None)
        if slot is None:
            raise NeedsHuman("the value is none of the keys", fix="write one of them")
        return Recognised(slot)

    async def preflight(self, job: Job) -> None:
        await self._held(job)

    def _nobody_elses(self, job: Job, slot: str) -> None:
        """Refuse a key that somebody else made, after they wrote the version or after our change."""
        born = EPOCH + timedelta(seconds=self._slots(job.source).born[slot])
        if job.may_have_made(born):
            return
        if job.written and born > job.written + RESOLUTION:
            raise NeedsHuman(
                f"{slot} was made after this version was written: another deployment uses it",
                fix="keep one",
            )
        if job.changed and born > job.changed + self.late:
            raise NeedsHuman(f"{slot} was made {SINCE}", fix="unpark the secret")

    async def _held(self, job: Job) -> str:
        value = _must_be_told(job)
        keys = await self._list(job.source)
        matching = [slot for slot, key in keys.items() if key == value]
        if not matching and job.held_id is None:
            raise NeedsHuman("the value is none of the keys", fix="write one of them")
        held = matching[0] if matching else str(job.held_id)
        if held not in self.other:
            raise NeedsHuman(f"there is no {held}", fix="name key1 or key2")
        await self._proves(job.source, keys[held])
        self._nobody_elses(job, self.other[held])
        return held

    async def _list(self, source: str) -> dict[str, str]:
        return await self.hand.reach("list keys", lambda: dict(self._slots(source).held))


class OneSlot(_Kind):
    """As a password that replaces itself: known to nobody until it is published."""

    kind = "one-slot"

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        del tags
        return True

    async def issue(self, job: Job) -> Issued:
        name = self._name(job.source)
        return Issued(name, {"key": Sensitive(await self._set(job.source, name))}, None)

    async def recognise(self, job: Job) -> Recognised:
        return Recognised(self._name(job.source))

    def _name(self, source: str) -> str:
        del source
        return "admin"

    def _refilled(self, slots: Slots, slot: str, credential: str = "") -> str:
        world, label = self.hand.world, f"set {slot}"
        # What comes late over a password that was set back is taken for that one's delay.
        world.watch.disturb(world.way_back)
        if label not in world.unseen:
            return slots.refill(slot, credential)
        world.unseen.discard(label)
        password = credential or slots.mint()
        come = lambda: slots.held.update({slot: password})  # noqa: E731 - one effect
        world.in_flight.append((label, come, self.hand.worker.lease))
        return password

    async def undo(self, job: Job, held: Sensitive) -> None:
        slots, worker, watch = self._slots(job.source), self.hand.worker, self.hand.world.watch
        world = self.hand.world

        def back() -> None:
            # The source has accepted it, so it is awaited before another password is set.
            world.way_back = world.kernel.time() + WAY_BACK.total_seconds()
            if "set back" in world.unseen:
                world.unseen.discard("set back")
                watch.disturb(world.way_back)
                return
            slots.held[self._name(job.source)] = held.reveal()
            if worker.lease is None or not worker.lease.held:
                watch.brought_back(set(), {held.reveal()})

        await self.hand.reach("set back", back, changes=True, sandboxed=True)

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Refuse it: only a new password revokes the one that works."""
        del credential_id, held, held_id
        raise NeedsHuman("only a new password revokes it", where=source, fix="set another one")


class TwoLogins(_Kind):
    """As two alternating logins.

    The one that the vault does not hold gets a password, which cannot be read back. With a tag
    Rotator, and none that names the pair, a secret is about the login that it holds alone.
    """

    kind = "two-logins"
    other: ClassVar[Mapping[str, str]] = {"app_a": "app_b", "app_b": "app_a"}
    lies: ClassVar[tuple[str, str]] = ("app_b", "app_a")
    """Which login each part of a pair's source is."""

    @classmethod
    def canonical(cls, address: str, tags: Mapping[str, str]) -> str | None:
        pair, login = super().canonical(address, tags), tags.get("CredentialId", "")
        parts = dict(zip(cls.lies, parts_of(pair or ""), strict=False))
        return parts.get(login, pair) if pair and cls.single_slot(tags) else pair

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        return tags.get("Rotator") in ("two-logins", "two-doubtful")

    def _pair(self, source: str) -> tuple[str, tuple[str, ...]]:
        """Return the pair that a source is of, and which of its logins the source is."""
        part = parts_of(source)[0]
        pair = next(it for it in self.hand.world.sources if part in parts_of(it))
        known = zip(parts_of(pair), self.lies, strict=True)
        return pair, tuple(login for name, login in known if name in parts_of(source))

    def _slots(self, source: str) -> Slots:
        return super()._slots(self._pair(source)[0])

    async def _proves(self, source: str, credential: str) -> bool:
        pair, logins = self._pair(source)
        slots = self._slots(source)
        signs_in = lambda: credential in [slots.held[login] for login in logins]  # noqa: E731
        return await self.hand.reach("prove", signs_in, of=(pair, credential))

    async def issue(self, job: Job) -> Issued:
        login, supersedes = await self._next(job)
        password = Sensitive(await self._set(job.source, login))
        return Issued(login, {"key": password}, supersedes)

    async def _next(self, job: Job) -> tuple[str, str | None]:
        """Return which login gets a password, and which one is superseded by that."""
        held = str(job.held_id)
        if self.single_slot(job.options):
            return held, None
        if held not in self.other:
            raise NeedsHuman(f"there is no {held}", fix="name one of the two logins")
        if not (job.proven or job.in_place):
            # A tag names it, and the value tells. Where it is neither's, the tag decides.
            with suppress(NeedsHuman):
                held = (await self.recognise(job)).credential_id
        return (held, None) if job.in_place else (self.other[held], held)

    async def recognise(self, job: Job) -> Recognised:
        slots, value = self._slots(job.source), job.held.reveal() if job.held else ""
        for login in self._pair(job.source)[1]:
            signs_in = lambda login=login: slots.held[login] == value  # noqa: E731
            if await self.hand.reach(f"sign in as {login}", signs_in):
                return Recognised(login)
        raise NeedsHuman("neither login has that password", fix="write one of them")

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        del held_id
        if credential_id not in self._pair(source)[1]:
            raise NeedsHuman(f"{credential_id} is none of {source}", fix="name it again")
        slots = self._slots(source)
        holds = lambda: held is None or slots.held[credential_id] == held.reveal()  # noqa: E731
        if await self.hand.reach(f"sign in as {credential_id}", holds):
            raise NeedsHuman("the login may be the one in use", fix="revoke it by hand")
        await self._set(source, credential_id)


class ManySecrets(_Kind):
    """As an application's secrets.

    Any number, each under the operation that made it, known everywhere a while later.
    """

    kind = "many"

    async def issue(self, job: Job) -> Issued:
        many, world = self._many(job.source), self.hand.world
        superseded = job.held_id
        if not job.proven:
            _must_be_told(job)
            listed = await self._listed(many)
            named = listed.get(str(job.held_id))
            if named and job.held and named.secret != job.held.reveal():
                raise NeedsHuman(
                    f"the value is not the secret {job.held_id}", fix="name the one that it is"
                )
            if (
                not named
                and job.held
                and any(entry.secret == job.held.reveal() for entry in listed.values())
            ):
                raise NeedsHuman(
                    f"{job.held_id} names no secret, and the value works",
                    fix="name the one that it is",
                )
            if job.held and not named and await self._proves(job.source, job.held.reveal()):
                raise TransientError("the list lags: it lacks what the vault holds")
            superseded = job.held_id if named else None
        add = lambda: many.add(f"rekey {job.operation}", world.kernel.time() + world.replication)  # noqa: E731
        key, secret = await self.hand.reach("add secret", add, changes=True, sandboxed=True)
        ends = job.expires - timedelta(days=world.capped)
        return Issued(key, {"key": Sensitive(secret)}, None if job.in_place else superseded, ends)

    async def tidy(self, source: str, operation: str, keep: str | None) -> None:
        many = self._many(source)
        for key, entry in (await self._listed(many)).items():
            if entry.name == f"rekey {operation}" and key != keep:
                await self._remove(many, key)

    async def recognise(self, job: Job) -> Recognised:
        many, value = self._many(job.source), job.held.reveal() if job.held else ""
        fitting = [k for k, e in (await self._listed(many)).items() if e.secret == value]
        if len(fitting) != 1:
            raise NeedsHuman(f"the value may be any of {len(fitting)}", fix="revoke it by hand")
        return Recognised(fitting[0])

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        many = self._many(source)
        if held_id in (None, credential_id):
            doomed = (await self._listed(many)).get(credential_id)
            if held is None or (doomed and doomed.secret == held.reveal()):
                raise NeedsHuman("the secret may be the one in use", fix="revoke it by hand")
        await self._remove(many, credential_id)

    async def lists(self, source: str, credential_id: str) -> bool:
        return credential_id in await self._listed(self._many(source))

    async def _listed(self, many: Many) -> dict[str, Entry]:
        return await self.hand.reach("list secrets", lambda: dict(many.entries), stale=many.stale)

    async def _remove(self, many: Many, key: str) -> None:
        await self.hand.reach(
            f"remove {key}", lambda: many.change().pop(key, None), changes=True, sandboxed=True
        )

    async def _proves(self, source: str, credential: str) -> bool:
        many, now = self._many(source), self.hand.world.kernel.time
        known = lambda: any(  # noqa: E731
            e.secret == credential and e.known_at <= now() for e in many.entries.values()
        )
        return await self.hand.reach("sign in", known, of=(source, credential))

    def _many(self, source: str) -> Many:
        many = self.hand.world.sources[source]
        assert isinstance(many, Many)
        return many
