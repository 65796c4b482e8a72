"""What a reported value was found to be, and the secret that owns a record, as a report needs to know it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from engine.engine import Engine
from engine.errors import AccessDenied, NotFound
from engine.rotation.leaked import TEMPLATE
from engine.rotation.retire import DISABLED
from engine.secret import SecretRef, SecretVersion, Sensitive
from engine.state import template
from engine.state.record import Record


@dataclass(frozen=True, slots=True)
class Match:
    """A version of a managed secret that holds, or held, a reported credential."""

    ref: SecretRef
    source: str
    kind: str
    """The kind in the tag Rotator; empty if nobody knows it any more."""
    version: str
    """Empty where Rekey is about to publish it."""
    credential_id: str
    credential: Sensitive
    """What its source takes; of a reported signature, the key that made it."""
    owner: str = ""
    is_current: bool = False
    """It is in the current version."""
    former: SecretRef | None = None
    """The secret that held it, where its source has passed on to `ref` since."""
    signs: bool = False
    """A signature was reported, and this is the key that made it."""

    @property
    def held_by(self) -> SecretRef:
        """The secret that the version is of."""
        return self.former or self.ref


@dataclasses.dataclass(frozen=True, slots=True)
class Owner:
    """The secret that owns a record, as its vault shows it now. Empty parts are not known."""

    ref: SecretRef
    kind: str = ""
    field: str = ""
    """The field of a template that is the credential."""
    shape: str = ""
    source: str = ""
    version: str = ""
    credential_id: str = ""
    held: str = dataclasses.field(default="", repr=False)
    who: str = ""

    @classmethod
    async def of(cls, engine: Engine, record: Record) -> Owner:
        """Read the current version; of what nobody can read any more, the record tells."""
        ref, kind = SecretRef.parse(record.owner), record.kind
        field = engine.rotators[kind].value_field if kind in engine.rotators else ""
        known = cls(ref, kind, field, record.verified.tags.get(TEMPLATE, f"{{{field}}}"))
        try:
            current = await engine.vaults.read(ref)
        except (NotFound, AccessDenied) as error:
            _need_right(engine, ref, error)
            return known
        if (managed := engine.entry(current).managed) is None:
            return known
        held = engine.held(current, managed)
        return cls(
            current.ref,
            managed.rotator.kind,
            managed.rotator.value_field,
            managed.template,
            managed.source,
            current.version or "",
            managed.credential_id or "",
            held.reveal() if held else "",
            current.tags.get("Owner", ""),
        )

    def inside(self, value: str) -> str:
        """Return the credential in a whole value; empty if its template does not read it."""
        fields = template.extract(self.shape, Sensitive(value)) or {}
        return fields[self.field].reveal() if self.field in fields else ""

    def match(
        self,
        record: Record | None,
        version: str,
        credential: str,
        former: SecretRef | None = None,
    ) -> Match:
        """Return that a version of this secret, or of a former owner, holds or held a credential."""
        past = record.history.credential_of(version) if record else None
        named = past.credential_id if past else ""
        if version == self.version:
            named = self.credential_id
        source = record.source if record else self.source
        leaked = Sensitive(credential)
        is_current = version == self.version
        return Match(
            self.ref, source, self.kind, version, named, leaked, self.who, is_current, former
        )


async def read(engine: Engine, ref: SecretRef, version: str) -> SecretVersion | None:
    """Return a version; None if it is purged or disabled."""
    try:
        return await engine.vaults.read_version(ref, version)
    except (NotFound, AccessDenied) as error:
        # It is purged or disabled: only what was noted when it was seen can tell.
        _need_right(engine, ref, error)
        return None


def _need_right(engine: Engine, ref: SecretRef, error: NotFound | AccessDenied) -> None:
    """Raise the error where a right is missing: what was not looked at is no miss."""
    is_refused = isinstance(error, AccessDenied) and error.code != DISABLED
    if is_refused and engine.policy.manages(ref.vault):
        raise error
