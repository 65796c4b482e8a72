"""What must hold of a secret that is made from the key of another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.secret import SecretRef, SecretVersion
from engine.state.tags import DERIVED_FROM, MAY_DERIVE
from tests.proof.appearance import Wrong
from tests.proof.kernel import EPOCH
from tests.proof.kinds import DERIVED
from tests.proof.sources import Signatures, credential_in, signed

if TYPE_CHECKING:
    from tests.proof.watch import Watch

FOLLOWED = 3600.0
"""Seconds within which a signature that follows its key shares the key's overlap."""
PATIENCE = 7 * 86400.0
"""How long at most a key is kept after its overlap, in seconds."""
NEVER = float("inf")


def roots(watch: Watch, source: str) -> tuple[str, ...]:
    """Return a source, and that of the key that signs for it."""
    is_signed = isinstance(watch.world.sources.get(source), Signatures)
    return (source, source.partition(DERIVED)[0]) if is_signed else (source,)


def examine(watch: Watch, version: SecretVersion, shown: Mapping[SecretRef, SecretVersion]) -> None:
    """Raise Wrong unless the key's owner consents, and the signature ends with its key.

    `shown` is what its worker has read last.
    """
    source = watch.source_of(version) or ""
    if not isinstance(watch.world.sources.get(source), Signatures):
        return
    name, credential = version.ref.name, credential_in(version.value.reveal())  # type: ignore[union-attr]
    holder = shown.get(SecretRef.parse(version.tags[DERIVED_FROM]))
    if holder is None or not _consents(watch, holder, version, source):
        raise Wrong(f"P7: {name} was given what the owner of its key does not consent to")
    key, ends = signed(credential)
    if holder.value is None or key != credential_in(holder.value.reveal()):
        raise Wrong(f"P4: {name} was made from a key that its secret does not hold")
    latest = min(date for date in (holder.expires, version.expires) if date)
    if version.expires != latest or ends > (latest - EPOCH).total_seconds():
        raise Wrong(f"expiry: {name} outlasts its key")


def ends(watch: Watch, source: str, held: str, new: SecretVersion) -> float:
    """Return until when a signature that was superseded must work at most, in seconds.

    One that followed its key at once lives as long as the key that made it.
    """
    if not isinstance(watch.world.sources[source], Signatures):
        return NEVER
    key, own = signed(held)
    claim = watch.world.claims.get(roots(watch, source)[1])
    pending = claim.record.retirement if claim else None
    published = claim.record.published if claim else None
    if not (pending and published and published.created) or key == _current(watch, new):
        return own
    at, born = ((when - EPOCH).total_seconds() for when in (pending.at, published.created))
    followed = watch.world.kernel.time() - born <= FOLLOWED
    return min(own, at if followed else at + min(at - born, PATIENCE))


def consented_until(watch: Watch, source: str, version: str) -> float:
    """Return until when a superseded signature must work whose key's owner consents no more.

    Its key's retirement does not wait for it, so that is when the key's own overlap has passed.
    """
    if not isinstance(watch.world.sources[source], Signatures):
        return NEVER
    old = next(known for known in watch.world.every_version() if known.version == version)
    holders = watch.world.vault.get(SecretRef.parse(old.tags[DERIVED_FROM]))
    claim = watch.world.claims.get(roots(watch, source)[1])
    pending = claim.record.retirement if claim else None
    if not (holders and pending) or _consents(watch, holders[-1], old, source):
        return NEVER
    return (pending.at - EPOCH).total_seconds()


def _consents(watch: Watch, holder: SecretVersion, version: SecretVersion, source: str) -> bool:
    extent = source.removeprefix(f"{roots(watch, source)[1]}/")
    return f"{version.ref.name}={extent}" in holder.tags.get(MAY_DERIVE, "").split(",")


def lags(watch: Watch, source: str, version: SecretVersion) -> bool:
    """Return whether a version was made from a key that its secret has replaced since."""
    if not isinstance(watch.world.sources[source], Signatures) or version.value is None:
        return False
    return signed(credential_in(version.value.reveal()))[0] != _current(watch, version)


def _current(watch: Watch, new: SecretVersion) -> str:
    """Return the key that the secret holds from which a version was made."""
    holders = watch.world.vault.get(SecretRef.parse(new.tags[DERIVED_FROM]))
    value = holders[-1].value if holders else None
    return credential_in(value.reveal() if value else "")
