"""Situations with adversaries, people and outages.

Also with copies, a second vault, a changing policy, apps, clocks and a second deployment.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from engine.model.incident import Incident
from engine.model.sweep_order import SweepOrder
from engine.model.workitem import WorkItem
from engine.secret import SecretRef
from tests.proof import adversaries, circumstances, people
from tests.proof.kernel import EVERY_FAULT, Mode
from tests.proof.sources import Many, Slots
from tests.proof.staging import (
    FIRST,
    SECOND,
    Scenario,
    ask,
    credential_of,
    current,
    due,
    incident,
    leaked,
    managed,
    proven,
    rotated,
    source_of,
    with_replicas,
)
from tests.proof.world import OTHER_VAULT, VAULT, World

SLOTTED = ("two-slots", "two-logins", "many")
EVERY = (*SLOTTED, "one-slot")
STALE: tuple[Mode, ...] = (*EVERY_FAULT, *(("read stale",) * 8))
"""Mostly reads that lag."""


def _forged(kind: str) -> Scenario:
    """Tags of Rekey's own are forged, on a secret in its overlap."""

    def build(world: World) -> None:
        rotated(world, kind, hours_left=100)
        ask(world, action="audit", trigger="sweep")
        ask(world, action="retire", trigger="sweep")

    return Scenario(
        f"forged/{kind}", build, adversaries.of_ours(kind), mend=people.mend, faults=EVERY_FAULT
    )


def _forged_when_due(kind: str) -> Scenario:
    """Tags of Rekey's own are forged on a secret that is due, and never was rotated."""

    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")
        ask(world, trigger="sweep", pinned=False)

    return Scenario(f"forged-when-due/{kind}", build, adversaries.of_ours(kind), mend=people.mend)


def _claimed(kind: str) -> Scenario:
    """Somebody edits what says where a secret is rotated.

    To another secret's source, outside the scopes, to nonsense.
    """

    def build(world: World) -> None:
        due(world, kind)
        adversaries.victims(world, kind)
        ask(world, trigger="event")
        ask(world, force=True)

    return Scenario(f"claimed/{kind}", build, adversaries.claims(kind), mend=people.mend)


def _claimed_in_overlap(kind: str) -> Scenario:
    """The same inside an overlap.

    What is to be retired is retired where it was made, and nowhere else.
    """

    def build(world: World) -> None:
        rotated(world, kind, hours_left=1)
        adversaries.victims(world, kind)
        ask(world, action="audit", trigger="sweep")

    return Scenario(f"claimed-in-overlap/{kind}", build, adversaries.claims(kind), mend=people.mend)


def _greedy(kind: str) -> Scenario:
    """Tag and policy name replicas in a second vault whose owners do not consent."""

    def build(world: World) -> None:
        due(world, kind)
        adversaries.second_vault(world)
        ask(world, trigger="event")
        ask(world, action="audit", trigger="sweep")

    moves = {
        name: adversaries.naming_replicas(name) for name in ("stranger", "elsewhere", "policy")
    }
    return Scenario(f"greedy/{kind}", build, moves, mend=people.mend)


def _false_copies(kind: str) -> Scenario:
    """Who owns a replica forges its tags, takes consent back, disables it."""

    def build(world: World) -> None:
        with_replicas(world, kind)
        ask(world, trigger="event")
        ask(world, action="audit", trigger="sweep")

    def mend(world: World) -> None:
        adversaries.give_consent(world)
        people.mend(world)

    return Scenario(f"false-copies/{kind}", build, adversaries.forging_a_replica(kind), mend=mend)


def _people(kind: str) -> Scenario:
    """People write versions and change the source while a secret is rotated."""

    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")
        ask(world, force=True)

    moves = {
        "writes a version without tags": people.without_tags,
        "writes a version with every tag": people.with_every_tag,
        "writes the same again": people.same_again,
        "writes nonsense": people.nonsense,
        "revokes at the source": people.change_key,
    }
    return Scenario(f"people/{kind}", build, moves, mend=people.mend)


def _owners(kind: str) -> Scenario:
    """The owner disables, enables and tags while a secret is rotated."""

    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")
        ask(world, trigger="sweep", pinned=False)

    moves = {
        "disables": people.disable,
        "enables": people.enable,
        "tags": people.tagging(Team="b"),
        "takes a tag away": people.untagging("Owner"),
        "makes it manual": people.tagging(Manual="true"),
        "takes it out": people.untagging("ProviderAddress"),
        "wants a longer validity": people.tagging(ValidityPeriodDays="200"),
        "wants no overlap": people.tagging(OverlapHours="0"),
    }
    return Scenario(f"owners/{kind}", build, moves, mend=people.mend)


def _people_in_overlap(kind: str) -> Scenario:
    """People revoke and enable what is superseded, while it is retired."""

    def build(world: World) -> None:
        rotated(world, kind, hours_left=-1)
        ask(world, action="retire", trigger="sweep")
        ask(world, action="audit", trigger="sweep")

    moves = {
        "revokes the superseded one": people.revoke_superseded,
        "enables": people.enable,
        "tags": people.tagging(Team="b"),
        "disables": people.disable,
        "writes a version without tags": people.without_tags,
    }
    return Scenario(f"people-in-overlap/{kind}", build, moves, mend=people.mend)


def _lagging(kind: str) -> Scenario:
    """Reads show what was there before the latest change; the vault may fail over to a copy."""

    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")
        ask(world, trigger="event")
        ask(world, action="audit", trigger="sweep", pinned=False)

    moves = {"fails over": circumstances.failover}
    return Scenario(f"lagging/{kind}", build, moves, {"app": 2}, faults=STALE)


def _lagging_in_overlap(kind: str) -> Scenario:
    """The same while a credential is retired, and right after that."""

    def build(world: World) -> None:
        rotated(world, kind, hours_left=-1)
        ask(world, action="retire", trigger="sweep")
        ask(world, action="audit", trigger="sweep")
        ask(world, force=True)

    moves = {"fails over": circumstances.failover}
    return Scenario(f"lagging-in-overlap/{kind}", build, moves, faults=STALE)


def _outage(kind: str) -> Scenario:
    """A service goes away for minutes or hours, at any moment."""

    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")

    return Scenario(
        f"outage/{kind}", build, circumstances.outages(), {"app": 2}, faults=EVERY_FAULT
    )


def _policy(kind: str) -> Scenario:
    """The policy document changes while a secret is rotated."""

    def build(world: World) -> None:
        due(world, kind)
        adversaries.second_vault(world)
        world.document = circumstances.document()
        ask(world, trigger="event")
        ask(world, force=True)

    def mend(world: World) -> None:
        world.document = circumstances.document()
        people.mend(world)

    return Scenario(f"policy/{kind}", build, circumstances.policies(), mend=mend)


def _errands(kind: str) -> Scenario:
    """An app uses the secret and may lag behind, and a chat is told."""

    def build(world: World) -> None:
        rotated(world, kind, hours_left=20)
        adversaries.second_vault(world)
        world.secret("hook", "https://hooks.example/T0", 400, {}, OTHER_VAULT)
        world.document = circumstances.consumers(source_of(kind))
        world.apps[f"{source_of(kind)}/consumer"] = "v1"
        world.stuck.add(f"{source_of(kind)}/consumer")
        # As long as it is stuck it is looked at again and again.
        world.away += 3600.0
        ask(world, action="refresh", trigger="sweep")
        ask(world, action="audit", trigger="sweep")

    app = f"{source_of(kind)}/consumer"
    moves = {"the app comes back": circumstances.unstuck(app)}
    return Scenario(f"errands/{kind}", build, moves, {"app": 2})


def _order_and_restore(kind: str) -> Scenario:
    """An incident's order beside a restore and an audit.

    What leaked is gone, whatever was current when.
    """

    def build(world: World) -> None:
        rotated(world, kind, hours_left=100)
        world.advance(60)
        for version in world.vault[SecretRef(VAULT, "app")]:
            leaked(world, "app", credential_of(version), source_of(kind))
        order = SweepOrder.for_incident(
            VAULT, Incident(world.kernel.now(), source=source_of(kind), reason="leaked")
        )
        world.post("sweep", order.to_json())
        ask(world, action="restore")
        ask(world, action="audit", trigger="sweep")

    return Scenario(f"order-and-restore/{kind}", build, {"incident": incident}, mend=people.mend)


def _incident_and_people(kind: str) -> Scenario:
    """People write versions while an incident is dealt with: what leaked is gone all the same."""

    def build(world: World) -> None:
        due(world, kind, days_left=80)
        ask(world, action="audit", trigger="sweep")
        incident(world)

    moves = {
        "writes a version": people.change_version,
        "writes a version without tags": people.without_tags,
        "writes the leaked value again": people.same_again,
    }
    return Scenario(f"incident-and-people/{kind}", build, moves, mend=people.mend)


def _clocks(kind: str) -> Scenario:
    """The clocks of two processes differ from each other's and the vault's."""

    def build(world: World) -> None:
        world.skew = 8.0
        due(world, kind)
        ask(world, trigger="event")
        ask(world, trigger="sweep", pinned=False)

    return Scenario(f"clocks/{kind}", build, {}, {"app": 2}, faults=EVERY_FAULT)


def _two_deployments(kind: str) -> Scenario:
    """Two deployments, each with a storage of its own, serve one vault.

    In the end one of them is taken away.
    """

    def build(world: World) -> None:
        world.deployments = ("one", "two")
        world.serving = {"one": (VAULT,), "two": (VAULT,)}
        due(world, kind)
        ask(world, trigger="event")

    def second(world: World) -> None:
        ask(world, trigger="sweep", pinned=False, deployment="two")

    def mend(world: World) -> None:
        world.serving = {"one": (VAULT,), "two": ()}
        if "was made after" in current(world).tags.get("RekeyReason", ""):
            # Nobody uses that key any more: so the value is written anew, as the fix says.
            people.same_again(world)
        # Nobody retires any more what the second one was going to retire.
        people.disown(world)
        people.mend(world, whatever=True)

    return Scenario(
        f"two-deployments/{kind}", build, {"the second one sweeps": second}, mend=mend, workers=1
    )


def _one_account(kind: str) -> Scenario:
    """Two deployments serve a vault each, and one source.

    Each holds a credential of it, and neither cuts the other off.
    """

    def build(world: World) -> None:
        world.deployments = ("one", "two")
        world.serving = {"one": (VAULT,), "two": (OTHER_VAULT,)}
        due(world, kind)
        world.other_scopes = (source_of(kind),)
        held, key = add_second(world, kind)
        world.watch.foreign.discard(held)
        world.secret("theirs", held, 10, managed(kind, CredentialId=key), OTHER_VAULT)
        world.advance(600)
        ask(world, "theirs", vault=OTHER_VAULT, deployment="two", trigger="event")

    def first(world: World) -> None:
        ask(world, trigger="event")

    def mend(world: World) -> None:
        rotated = [claim for claim in world.claims.values() if claim.record.published]
        if kind == "many" or rotated:
            people.unmanage("theirs", OTHER_VAULT)(world)
            people.mend(world)
        else:
            people.unmanage("app")(world)

    exempt = frozenset() if kind == "many" else frozenset({"app", "theirs"})
    return Scenario(
        f"one-account/{kind}",
        build,
        {"the first one, too": first},
        exempt=exempt,
        mend=mend,
        workers=1,
    )


def add_second(world: World, kind: str) -> tuple[str, str]:
    """Return what a second secret holds of a source, and its id.

    A secret of its own, or the very same key.
    """
    source = world.sources[source_of(kind)]
    if isinstance(source, Many):
        return source.entries[SECOND[kind]].secret, SECOND[kind]
    assert isinstance(source, Slots)
    return source.held[FIRST[kind]], FIRST[kind]


def _proven_then_people(kind: str) -> Scenario:
    """A healthy secret is audited while people change its source and its versions."""

    def build(world: World) -> None:
        due(world, kind, days_left=80)
        proven(world, kind)
        ask(world, action="audit", trigger="sweep")
        ask(world, force=True)

    moves = {
        "revokes at the source": people.change_key,
        "writes a version": people.change_version,
        "writes a version without tags": people.without_tags,
        "disables": people.disable,
        "enables": people.enable,
    }
    return Scenario(f"audited/{kind}", build, moves, mend=people.mend)


def _restored(kind: str) -> Scenario:
    """What was just rotated is restored; then audits come for days, and the overlap of what was taken back goes on."""

    def build(world: World) -> None:
        due(world, kind, days_left=30)
        ask(world, force=True)
        restore = WorkItem(SecretRef(VAULT, "app"), "restore")
        world.post("rotate", restore.to_json(), 20 * 60.0)

    return Scenario(f"restored/{kind}", build, audits=3)


def all_of(kinds: tuple[str, ...], *makers: Callable[[str], Scenario]) -> list[Scenario]:
    """Return the scenarios of these kinds."""
    return [make(kind) for make, kind in product(makers, kinds)]


FURTHER = [
    *all_of(
        SLOTTED,
        _forged,
        _claimed_in_overlap,
        _people_in_overlap,
        _lagging_in_overlap,
        _errands,
        _order_and_restore,
        _restored,
    ),
    *all_of(
        EVERY,
        _forged_when_due,
        _claimed,
        _people,
        _owners,
        _lagging,
        _outage,
        _clocks,
        _proven_then_people,
    ),
    *all_of(
        ("two-slots", "many", "one-slot"),
        _greedy,
        _false_copies,
        _policy,
        _two_deployments,
        _incident_and_people,
    ),
    *all_of(("two-slots", "many"), _one_account),
]
