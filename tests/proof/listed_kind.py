"""Credentials in a list that is replaced as a whole, as rotators/service_principal_certificate.py."""

from __future__ import annotations

from collections.abc import Mapping

from engine.contract import Issued, Job
from engine.errors import NeedsHuman, TransientError
from engine.secret import Sensitive
from tests.proof.excuses import Excuse
from tests.proof.kinds import ManySecrets, _must_be_told
from tests.proof.sources import Entry, Listing

type Entries = Mapping[str, Entry]


class ReplacedList(ManySecrets):
    """Each try of an operation lists the same one, under an id that follows from the operation."""

    kind = "listed"
    rewrites = True

    async def issue(self, job: Job) -> Issued:
        """Make a pair, read the list once more, and put it back with one more entry."""
        listing = self._listing(job.source)
        superseded = None if job.in_place else _superseded(job, await self._read(listing))
        credential = await self.hand.reach(
            "make a pair", lambda: listing.pair(job.operation), changes=True, sandboxed=True
        )
        key = f"k{job.operation[:8]}"
        listed = await self._read(listing)
        if key not in listed:
            await self._check_complete(job, listed)
            gone, held = self._removed(job.source) | job.revoked, job.held and job.held.reveal()
            kept = {
                it: entry for it, entry in listed.items() if it not in gone or entry.secret == held
            }
            added = {**kept, key: Entry(f"rekey {job.operation}", credential)}
            await self._replace(listing, listed, added, "add to the list")
            self.hand.worker.removed.discard((job.source, key))
        return Issued(key, {"key": Sensitive(credential)}, superseded, job.expires)

    async def tidy(self, source: str, operation: str, keep: str | None) -> None:
        """Take what this operation made from the list, except the one to keep."""
        listing = self._listing(source)
        listed = await self._read(listing)
        doomed = {key for key, entry in listed.items() if entry.name == f"rekey {operation}"}
        doomed.discard(str(keep))
        if doomed and keep and keep not in listed:
            raise _lagging()
        if doomed and (self._removed(source) - doomed - {str(keep)}) & {*listed}:
            raise _lagging()
        await self._without(source, listed, doomed, {str(keep)})

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Take the superseded one from the list, unless the vault holds that very one."""
        del held_id
        listing = self._listing(source)
        listed = await self._read(listing)
        if credential_id not in listed:
            return
        if held is None or listed[credential_id].secret == held.reveal():
            raise NeedsHuman("the entry may be the one in use", fix="remove it by hand")
        in_use = {key for key, entry in listed.items() if entry.secret == held.reveal()}
        if not in_use and any([await self._proves(source, held.reveal()) for _ in range(2)]):
            raise _lagging()
        await self._without(source, listed, {credential_id}, in_use)

    async def lists(self, source: str, credential_id: str) -> bool:
        """Say whether the list has an entry."""
        return credential_id in await self._read(self._listing(source))

    async def _check_complete(self, job: Job, listed: Entries) -> None:
        held = job.held.reveal() if job.held else ""
        if job.in_place or held in {entry.secret for entry in listed.values()}:
            return
        if held and await self._proves(job.source, held):
            raise _lagging()

    async def _without(
        self, source: str, listed: Entries, doomed: set[str], in_use: set[str]
    ) -> None:
        if doomed:
            gone = (doomed | self._removed(source)) - in_use
            left = {key: entry for key, entry in listed.items() if key not in gone}
            await self._replace(self._listing(source), listed, left, "take from the list")
            self.hand.worker.removed.update((source, key) for key in doomed)

    def _removed(self, source: str) -> set[str]:
        return {key for at, key in self.hand.worker.removed if at == source}

    async def _read(self, listing: Listing) -> Entries:
        return await self.hand.reach(
            "list secrets", lambda: dict(listing.entries), stale=listing.stale
        )

    async def _replace(self, listing: Listing, listed: Entries, new: Entries, label: str) -> None:
        from tests.proof.watch import Broken

        if self.hand.worker.last[0] not in ("list secrets", "sign in"):
            raise Broken(f"gate: {label} was sent without a fresh read of the list")
        write = lambda: self._put(listing, listed, new)  # noqa: E731 - one effect, said where it is sent
        await self.hand.reach(label, write, changes=True, sandboxed=True)

    def _put(self, listing: Listing, listed: Entries, new: Entries) -> None:
        """Replace the list: what others have added since it was read is lost, and counted.

        What they have taken away comes back, and whatever a list has that arrives late.
        """
        watch, now = self.hand.world.watch, listing.entries
        lost = {entry.secret for key, entry in now.items() if key not in listed} & watch.foreign
        # A try that comes late lists what a later one has listed, too, and others took away since.
        back = {
            entry.secret
            for key, entry in new.items()
            if key not in now and (key in listed or entry.secret in watch.ended)
        }
        lease = self.hand.worker.lease
        if lease is not None and lease.held:
            back &= watch.revoked
        if lost or back:
            watch.excuses.used[Excuse.RACED] += 1
            watch.brought_back(lost, back)
        listing.replace(dict(new))

    def _listing(self, source: str) -> Listing:
        listing = self.hand.world.sources[source]
        assert isinstance(listing, Listing)
        return listing


def _superseded(job: Job, listed: Entries) -> str | None:
    held = job.held.reveal() if job.held and job.proven else _must_be_told(job)
    key = next((key for key, entry in listed.items() if entry.secret == held), None)
    if not job.proven and key != job.held_id and (key or job.held_id in listed):
        raise NeedsHuman(f"the value is not the entry {job.held_id}", fix="name the one that it is")
    return key or (job.held_id if job.proven else None)


def _lagging() -> TransientError:
    return TransientError("the list lacks an entry that is in use", code="Replication")
