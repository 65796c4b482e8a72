"""What people do by hand, at any moment: they win, and nothing of theirs is silently undone."""

from __future__ import annotations

from engine.secret import Draft, SecretRef, SecretVersion, Sensitive
from engine.state.request import operation_id
from engine.state.tags import MAX_TAGS, OURS, REASON, REPLICA_OF, RETIRE
from tests.proof.excuses import Excuse
from tests.proof.kinds import SINCE
from tests.proof.sources import Many, Slots
from tests.proof.staging import FIRST, SECOND, Move, credential_of, current, source_of
from tests.proof.watch import AUDITED_SECONDS
from tests.proof.world import VAULT, World


def kind_of(world: World) -> str:
    """Return the kind of the scenario's own source."""
    return next(iter(world.sources)).split("/")[1]


def change_key(world: World) -> None:
    """Somebody revokes the current credential at its source, and forgets the vault."""
    version = current(world)
    source = world.watch.source_of(version)
    if version.value is None or source is None:
        return
    world.watch.excuses.grant(Excuse.BROKEN, source, world.kernel.time() + AUDITED_SECONDS)
    if credential_of(version) in world.sources[source].alive():
        world.sources[source].revoke(credential_of(version))
        if not (world.watch.single(source) and world.workers):
            # A password cannot be set on condition: who sets one at the same time is overwritten.
            world.watch.revoked.add(credential_of(version))


def revoke_superseded(world: World) -> None:
    """Somebody revokes at its source what Rekey was going to retire."""
    pending = [
        claim.record.retirement for claim in world.claims.values() if claim.record.retirement
    ]
    for version in world.vault[SecretRef(VAULT, "app")][:-1]:
        if any(retirement and retirement.version == version.version for retirement in pending):
            world.sources[source_of(kind_of(world))].revoke(credential_of(version))
            world.watch.revoked.add(credential_of(version))


def make_credential(world: World) -> tuple[str, str]:
    """Make a credential at the source, as a person would.

    The slot that the vault does not hold; returns id and value.
    """
    kind = kind_of(world)
    source = world.sources[source_of(kind)]
    world.watch.excuses.grant(Excuse.BROKEN, source_of(kind), world.kernel.time() + AUDITED_SECONDS)
    if isinstance(source, Many):
        slot, value = source.add("made by hand, later")
    else:
        assert isinstance(source, Slots)
        held = current(world).tags.get("CredentialId", FIRST[kind])
        slot = SECOND[kind] if kind in SECOND and held == FIRST[kind] else FIRST[kind]
        value = source.refill(slot)
    disown(world, value)
    return slot, value


def disown(world: World, *values: str) -> None:
    """Leave what the secret and its copies held so far, and these, to the person who writes something else.

    A copy is ahead of the secret where its owner refused the write in between.
    """
    watch, ref = world.watch, SecretRef(VAULT, "app")
    held = [
        version
        for place, versions in world.vault.items()
        for version in versions
        if place == ref or version.tags.get(REPLICA_OF) == str(ref)
    ]
    watch.disowned |= {credential_of(version) for version in held} | set(values)
    watch.orphaned |= {
        f"rekey {operation_id(ref, str(version.version))}" for version in world.vault[ref]
    }
    watch.excuses.grant(Excuse.LEFT_ALONE, "app")


def change_version(world: World) -> None:
    """Somebody makes a credential at the source and puts it into the vault, as Rekey would."""
    theirs = {tag: text for tag, text in current(world).tags.items() if tag not in OURS}
    slot, value = make_credential(world)
    world.secret("app", value, 90, theirs | {"CredentialId": slot})


def without_tags(world: World) -> None:
    """Somebody puts a new credential into the vault with a tool that copies no tags."""
    world.secret("app", make_credential(world)[1], 90, {})


def with_every_tag(world: World) -> None:
    """Somebody puts a new credential into the vault, and copies every tag, Rekey's own too."""
    tags = dict(current(world).tags)
    world.secret("app", make_credential(world)[1], 90, tags)


def same_again(world: World) -> None:
    """Somebody writes the value that is there once more, tags and all."""
    version = current(world)
    if version.value and version.enabled:
        at_own_risk(world)
        world.secret("app", version.value.reveal(), 90, version.tags)


def at_own_risk(world: World) -> None:
    """What somebody brings back may be refused meanwhile.

    The next audit mends it, or somebody is told.
    """
    until = world.kernel.time() + AUDITED_SECONDS
    world.watch.excuses.grant(Excuse.BROKEN, source_of(kind_of(world)), until)


def nonsense(world: World) -> None:
    """Somebody writes a value that no source ever accepted."""
    disown(world)
    theirs = {tag: text for tag, text in current(world).tags.items() if tag not in OURS}
    world.secret("app", "!cnever!", 90, theirs)


def disable(world: World) -> None:
    """Somebody disables the current version."""
    version = current(world)
    world.watch.off.add(str(version.version))
    world.edit(version.ref, enabled=False)


def enable(world: World) -> None:
    """Somebody enables every version that is disabled, whoever disabled it."""
    ref = SecretRef(VAULT, "app")
    if not current(world).enabled:
        at_own_risk(world)
    for version in world.vault[ref]:
        if not version.enabled:
            if version.version not in world.watch.off:
                world.watch.enabled_again.add(str(version.version))
            world.watch.off.discard(str(version.version))
            world.edit(ref, version.version, enabled=True)


def tagging(**tags: str) -> Move:
    """Return a move in which the owner sets tags of theirs on the current version."""

    def move(world: World) -> None:
        watch, merged = world.watch, {**current(world).tags, **tags}
        if "ValidityPeriodDays" in tags:
            watch.longest["app"] = max(float(tags["ValidityPeriodDays"]), 90.0)
        if "OverlapHours" in tags:
            watch.shortest["app"] = float(tags["OverlapHours"])
        if {"ProviderAddress", "Rotator", "ValueTemplate"} & set(tags):
            watch.excuses.grant(Excuse.CLAIM, "app")
        if len(merged) <= MAX_TAGS:
            world.edit(current(world).ref, tags=merged)

    return move


def untagging(*tags: str) -> Move:
    """Return a move in which the owner takes tags away from the current version."""

    def move(world: World) -> None:
        left = {tag: text for tag, text in current(world).tags.items() if tag not in tags}
        world.edit(current(world).ref, tags=left)

    return move


def mend(world: World, *, whatever: bool = False) -> None:
    """The owner of `app` follows the ways out.

    Own tags as they were, a value that its source accepts, no mark left.
    """
    version = current(world)
    desired = world.wanted[version.ref]
    theirs = {
        tag: text for tag, text in version.tags.items() if tag not in OURS and tag != "CredentialId"
    }
    healthy = version.enabled and world.watch.source_of(version) and world.watch.holds(version)
    unmarked = not any(tag.startswith("RekeyState") for tag in version.tags) and not is_forged(
        world, version
    )
    if (
        not whatever
        and healthy
        and unmarked
        and theirs == {tag: text for tag, text in desired.items() if tag != "CredentialId"}
    ):
        return
    if SINCE in version.tags.get(REASON, ""):
        # Nobody else uses the key that somebody made by hand: the owner unparks the secret.
        world.ask("app", version=version.version, action="audit")
    address = desired["ProviderAddress"]
    if not world.sources[address].accepts(credential_of(version)):
        slot, value = make_credential(world)
        version = world.secret("app", value, 90, desired | {"CredentialId": slot})
    held = identify(world, address, version) or desired["CredentialId"]
    tags = {tag: text for tag, text in desired.items() if tag not in OURS} | {"CredentialId": held}
    if version.value and version.value.reveal() != credential_of(version):
        # The value has been written in this form: only its next one can have another.
        tags |= {"ValueTemplate": version.value.reveal().replace(credential_of(version), "{key}")}
    world.watch.off.discard(str(version.version))
    world.edit(version.ref, version.version, enabled=True, tags=tags)


def is_forged(world: World, version: SecretVersion) -> bool:
    """Return whether its tag RekeyRetire says what no record says."""
    pending = [str(claim.record.retirement) for claim in world.claims.values()]
    return RETIRE in version.tags and version.tags[RETIRE] not in pending


def identify(world: World, address: str, version: SecretVersion) -> str | None:
    """Return which credential of its source a version holds."""
    credential = credential_of(version)
    match world.sources[address]:
        case Slots(held=held):
            return next((slot for slot, value in held.items() if value == credential), None)
        case Many(entries=entries):
            return next((key for key, entry in entries.items() if entry.secret == credential), None)
        case _:
            return None


def unmanage(name: str, vault: str = VAULT) -> Move:
    """Return a move that takes a secret out of management."""

    def move(world: World) -> None:
        version = current(world, name, vault)
        kept = {
            tag: text for tag, text in version.tags.items() if tag not in {"ProviderAddress", *OURS}
        }
        world.edit(version.ref, tags=kept)

    return move


def keep_one(world: World) -> None:
    """Of two secrets that claim one source, take the one that does not own it out of management."""
    owner = next((claim.record.owner for claim in world.claims.values()), "")
    loser = "app" if owner.endswith("/rival") else "rival"
    unmanage(loser)(world)
    winner = current(world, "rival" if loser == "app" else "app")
    kept = {
        tag: text
        for tag, text in winner.tags.items()
        if not tag.startswith(("RekeyState", "RekeyReason"))
    }
    if not world.watch.holds(winner):
        source = world.sources[str(world.watch.source_of(winner))]
        value = min(source.alive() - world.watch.foreign)
        draft = Draft(Sensitive(value), world.kernel.now().replace(year=2027), "text/plain", kept)
        winner = world.put(winner.ref, draft, by_hand=True)
    kept["CredentialId"] = (
        identify(world, winner.tags["ProviderAddress"], winner) or kept["CredentialId"]
    )
    world.edit(winner.ref, winner.version, tags=kept)
