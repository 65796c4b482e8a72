"""Further secrets that hold the same credential, in other vaults or other forms.

The owner of a replica consents to being written by the tag `ReplicaOf` with the URL of the primary: a tag on the primary alone
gives nobody power over somebody else's secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.contract import Issued
from engine.decide.draft import DEFAULT_CONTENT_TYPE
from engine.errors import NeedsHuman, PermanentError, RekeyError
from engine.model import template
from engine.model.tags import MAX_TAGS, OPERATION, OURS, REPLICA_OF, RETIRE, Managed, Pending
from engine.ports import Vaults
from engine.secret import Draft, SecretRef, SecretVersion, Sensitive


async def check(vaults: Vaults, primary: SecretRef, managed: Managed) -> list[SecretVersion]:
    """Look at every replica before anything is changed and return them; raises what would keep one from being written."""
    found = [await vaults.read(ref) for ref in managed.replicas]
    for replica in found:
        if problem := _problem(replica, primary, managed):
            what, fix = problem
            raise NeedsHuman(f"the replica {what}", where=str(replica.ref), fix=fix)
    return found


def _problem(replica: SecretVersion, primary: SecretRef, managed: Managed) -> tuple[str, str] | None:
    rotator, shape = managed.rotator, replica.tags.get("ValueTemplate", managed.template)
    if not replica.enabled:
        return "is disabled", "enable it, or remove it from the tag Replicas"
    if replica.tags.get(REPLICA_OF, "").strip().rstrip("/").lower() != str(primary).lower():
        return "does not consent", f"its owner sets its tag {REPLICA_OF} to {primary}"
    if len(set(replica.tags) | {"CredentialId", OPERATION, RETIRE}) > MAX_TAGS:
        return "has too many tags to leave room for Rekey's own", "remove a tag of it"
    if wrong := template.problems(shape, rotator.template_fields, rotator.value_field):
        return f"cannot be written: {'; '.join(wrong)}", "correct its tag ValueTemplate"
    return None


def issued_before(replicas: list[SecretVersion], managed: Managed, operation: str) -> Issued | None:
    """Return the credential that an interrupted try of this operation has published to a replica already.

    To issue another one would cut that replica off until it is written again.
    """
    for replica in replicas:
        values = template.extract(replica.tags.get("ValueTemplate", managed.template), replica.value) or {}
        needed = template.fields(managed.template) | {managed.rotator.value_field}
        if replica.tags.get(OPERATION) == operation and needed <= set(values):
            pending = _pending(replica)
            return Issued(replica.tags["CredentialId"], values, pending.credential_id if pending else None)
    return None


async def write(
    vaults: Vaults, ref: SecretRef, managed: Managed, fields: Mapping[str, Sensitive], draft: Draft
) -> list[RekeyError]:
    """Write one replica in its own form; a permanent error is returned, so that the caller decides what it means."""
    try:
        await _write(vaults, await vaults.read(ref), managed, fields, draft)
    except PermanentError as error:
        return [error]
    return []


async def catch_up(
    vaults: Vaults, ref: SecretRef, managed: Managed, fields: Mapping[str, Sensitive], primary: SecretVersion
) -> None:
    """Write a replica that does not hold what the primary holds: it was missed, or an old try's write landed late."""
    replica = await vaults.read(ref)
    shape = replica.tags.get("ValueTemplate", managed.template)
    if template.fields(shape) <= set(fields) and replica.value == template.render(shape, fields):
        return
    if primary.value is None or primary.expires is None:
        raise NeedsHuman("the replica missed a rotation", where=str(ref), fix="rotate the primary")
    draft = Draft(primary.value, primary.expires, DEFAULT_CONTENT_TYPE, primary.tags)
    await _write(vaults, replica, managed, fields, draft)


async def disable_superseded(vaults: Vaults, ref: SecretRef) -> None:
    """Disable the version of a replica that holds the credential just retired."""
    replica = await vaults.read(ref)
    if pending := _pending(replica):
        if pending.version != replica.version:
            await vaults.disable(ref, pending.version)
        await vaults.retag(replica, {key: value for key, value in replica.tags.items() if key != RETIRE})


async def _write(
    vaults: Vaults, replica: SecretVersion, managed: Managed, fields: Mapping[str, Sensitive], draft: Draft
) -> None:
    shape = replica.tags.get("ValueTemplate", managed.template)
    if missing := template.fields(shape) - set(fields):
        raise NeedsHuman(
            f"the replica needs {', '.join(sorted(missing))}", where=str(replica.ref), fix="rotate the primary"
        )
    tags = {key: value for key, value in replica.tags.items() if key not in OURS}
    tags |= {"CredentialId": draft.tags["CredentialId"], OPERATION: draft.tags[OPERATION]}
    if retire := _superseded(replica, draft):
        tags[RETIRE] = retire
    content_type = replica.content_type or draft.content_type
    await vaults.publish(replica.ref, Draft(template.render(shape, fields), draft.expires, content_type, tags))


def _pending(replica: SecretVersion) -> Pending | None:
    try:
        return Pending.parse(replica.tags[RETIRE]) if RETIRE in replica.tags else None
    except ValueError:
        raise NeedsHuman(f"the replica's tag {RETIRE} is malformed", where=str(replica.ref), fix="remove it") from None


def _superseded(replica: SecretVersion, draft: Draft) -> str | None:
    """Name the replica's version to disable later; a retry keeps what its first try named, whose value did live."""
    if replica.tags.get(OPERATION) == draft.tags[OPERATION]:
        return replica.tags.get(RETIRE)
    if RETIRE not in draft.tags or replica.version is None:
        return None
    return str(replace(Pending.parse(draft.tags[RETIRE]), version=replica.version))
