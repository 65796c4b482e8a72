"""Whose a source is, and whether what the vault shows of it can be believed."""

from __future__ import annotations

from collections.abc import Mapping

from engine.decide.decision import Kinds, Park
from engine.errors import NotFound
from engine.model.record import Record
from engine.model.tags import BY, OPERATION, RETIRE
from engine.model.workitem import operation_id
from engine.parts import Parts
from engine.rotate.under_lease import NOBODY, UnderLease, parts_of
from engine.secret import SecretRef, SecretVersion


async def other_owner(parts: Parts, held: UnderLease, ref: SecretRef) -> Park | None:
    """Refuse a source of which another secret owns a part: the first keeps it while it still claims it. Else claim it all."""
    mine = str(ref).lower()
    others = [lease for lease in held.leases if lease.record.owner != mine]
    for lease in others:
        owner = lease.record.owner
        if owner and owner != NOBODY and await _still_claims(parts, held.source, SecretRef.parse(owner)):
            going = lease.record.pending
            revokes = f", which revokes {going.credential_id} at {going.at:%Y-%m-%d %H:%M}Z" if going else ""
            # Its tag ProviderAddress names the whole source, and a tag must have room left for the way out.
            short = "/".join(held.source.split("/")[-2:])
            return Park(
                f"{short} belongs to the secret {owner}{revokes}",
                f"keep one secret a source: remove the tag ProviderAddress here, or there (or delete that secret, or, if "
                f"its vault is not served any more, the record {lease.where})",
            )
    # Only now: a secret that is refused one part must not keep the others from their owners.
    for lease in others:
        # What the former owner published says nothing of this secret; what is to be retired was its.
        await lease.write(Record(source=lease.record.source, owner=mine, key=lease.record.key))
    return None


async def _still_claims(parts: Parts, source: str, other: SecretRef) -> bool:
    """Return whether another secret is still tagged for a part of this source; where that cannot be seen, it is."""
    if not parts.policy.manages(other.vault):
        return True
    try:
        secret = parts.policy.applied(await parts.vaults.read(other))
    except NotFound:
        return False
    return not secret.enabled or bool(claimed(secret.tags, parts.kinds) & set(parts_of(source)))


def claimed(tags: Mapping[str, str], kinds: Kinds) -> set[str]:
    """Return the parts of every source that tags may mean, whatever else is wrong with them."""
    address = tags.get("ProviderAddress", "")
    sources = (kind.canonical(address, tags) for kind in kinds.values())
    return {part for source in sources if source for part in parts_of(source)}


async def other_writer(parts: Parts, record: Record, secret: SecretVersion) -> Park | None:
    """Refuse a version that another deployment of Rekey wrote, or whose marks no record knows. `secret` as the vault has it."""
    if not secret.version or record.wrote(secret):
        return None
    writer, own = secret.tags.get(BY, ""), parts.policy.deployment
    if writer and own and writer != own:
        return Park(
            f"the deployment {writer} rotates this secret too: it wrote the current version",
            f"let one deployment serve the vault; if {writer} is gone, remove the tag {BY}",
        )
    replaced = operation_id(secret.ref, record.published.version) if record.published else ""
    if replaced and secret.tags.get(OPERATION) == replaced:
        return Park(
            "another deployment of Rekey, which does not give its name, wrote the current version",
            f"let one deployment serve the vault; if the tags were written by hand, remove the tag {OPERATION}",
        )
    if record.published is None and RETIRE in secret.tags and not await _known_elsewhere(parts, secret.ref):
        return Park(
            f"tag {RETIRE} names a credential to revoke, of which there is no record",
            f"revoke {secret.tags[RETIRE].rpartition(' ')[2][:60]} at its source if it is not used any more, then remove the "
            f"tag {RETIRE}",
        )
    return None


async def _known_elsewhere(parts: Parts, ref: SecretRef) -> bool:
    """Return whether the record of another source says what this secret has still to retire: its address has changed."""
    mine = str(ref).lower()
    return any([listed.owner == mine and listed.due is not None async for listed in parts.leases.index()])
