"""What other people and deployments do to a credential: it is noticed, and never silently undone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from engine.errors import NeedsHuman, TransientError
from engine.rotation.context import Rotation
from engine.rotation.source_lease import LOST
from engine.secret import SecretVersion
from engine.state.request import WorkItem

THEIRS = timedelta(days=1)
"""How long Rekey leaves a version alone that somebody wrote and no source has accepted yet."""
PEACE = timedelta(days=7)
"""How soon a second drift after the first means that somebody else changes the credential, too."""


@dataclass(frozen=True, slots=True)
class Others:
    """The others who may write one secret, or change its credential at the source."""

    at: Rotation

    async def respect(self, secret: SecretVersion, item: WorkItem) -> None:
        """Raise NeedsHuman if somebody just wrote a value that the source refuses.

        Rekey does not supersede what a person has just written.
        """
        held = self.at.parts.held(secret, self.at.managed)
        overruled = item.force or item.compromised or self.at.observed.record.compromised.versions
        if overruled or not held or not self.wrote(secret):
            return
        rotator = self.at.rotator
        try:
            accepted = await rotator.accepts(
                self.at.managed.source, self.at.managed.credential_id or "", held
            )
        except TransientError as error:
            if error.retry_after is not None:
                raise
            # Whatever keeps the source from answering makes the change fail, too, with its reason.
            return
        if not accepted:
            raise self.refused(secret)

    def wrote(self, secret: SecretVersion) -> bool:
        """Return whether somebody wrote this version lately and no source has accepted it yet.

        With a single slot it does not matter when: healing would undo the password that they set.
        """
        record, item = self.at.observed.record, self.at.observed.item
        # A look says itself for which version a change was sent, where the record was lost since.
        looked_at = item.version if item.recheck or item.follows else None
        if self.at.observed.wrote(secret) or secret.version in (
            record.verified.version,
            record.change.version,
            looked_at,
        ):
            return False
        if self.at.observed.may_have_cut_off:
            return False
        is_single = self.at.single
        return is_single or self.at.parts.clock.now() - secret.created < THEIRS

    def refused(self, secret: SecretVersion) -> NeedsHuman:
        """Return the error for a value of theirs that the source refuses."""
        error = NeedsHuman(
            "the source refuses the value that somebody just wrote; somebody else may have "
            "changed it there",
            where=str(secret.ref),
            fix="write a value that the source accepts, or send force with rotate",
        )
        if self.at.observed.record.is_unknown:
            error.add(LOST)
        return error

    def refuse_to_fight(self, secret: SecretVersion) -> None:
        """Raise NeedsHuman if the source refuses what Rekey published twice within a short time."""
        record, now = self.at.observed.record, self.at.parts.clock.now()
        again = (
            record.verified.repaired_at is not None and now - record.verified.repaired_at < PEACE
        )
        if again and self.at.observed.wrote(secret) and not record.change.uncertain_until:
            raise NeedsHuman(
                "another deployment or a person changes this credential at its source, too",
                where=self.at.managed.source,
                fix="let one of them rotate it, then unpark the secret",
            )
