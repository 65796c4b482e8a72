"""Situations with adversaries, people and outages.

Also with copies, a second vault, a changing policy, apps, clocks and a second deployment.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.secret import SecretRef
from engine.state.request import WorkItem
from tests.proof import adversaries, circumstances, people
from tests.proof.kernel import EVERY_FAULT, Mode
from tests.proof.sources import Many, Slots
from tests.proof.staging import (
    EVERY,
    FIRST,
    FURTHER,
    FURTHER_SLOTTED,
    SECOND,
    SLOTTED,
    Move,
    Scenario,
    all_of,
    ask,
    by_seeds,
    credential_of,
    current,
    due,
    incident,
    leaked,
    managed,
    ordered,
    per_kind,
    proven,
    rotated,
    source_of,
    with_replicas,
)
from tests.proof.world import OTHER_VAULT, VAULT, World

STALE: tuple[Mode, ...] = (*EVERY_FAULT, *(("read stale",) * 8))
"""Mostly reads that lag."""


@per_kind("forged", adversaries.of_ours, mend=people.mend, faults=EVERY_FAULT)
def _forged(world: World, kind: str) -> None:
    """Tags of Rekey's own are forged, on a secret in its overlap."""
    rotated(world, kind, hours_left=100)
    ask(world, action="audit", trigger="sweep")
    ask(world, action="retire", trigger="sweep")


@per_kind("forged-when-due", adversaries.of_ours, mend=people.mend)
def _forged_when_due(world: World, kind: str) -> None:
    """Tags of Rekey's own are forged on a secret that is due, and never was rotated."""
    due(world, kind)
    ask(world, trigger="event")
    ask(world, trigger="sweep", pinned=False)


@per_kind("claimed", adversaries.claims, mend=people.mend)
def _claimed(world: World, kind: str) -> None:
    """Somebody edits what says where a secret is rotated.

    To another secret's source, outside the scopes, to nonsense.
    """
    due(world, kind)
    adversaries.victims(world, kind)
    ask(world, trigger="event")
    ask(world, force=True)


@per_kind("claimed-in-overlap", adversaries.claims, mend=people.mend)
def _claimed_in_overlap(world: World, kind: str) -> None:
    """The same inside an overlap.

    What is to be retired is retired where it was made, and nowhere else.
    """
    rotated(world, kind, hours_left=1)
    adversaries.victims(world, kind)
    ask(world, action="audit", trigger="sweep")


@per_kind(
    "greedy",
    {name: adversaries.naming_replicas(name) for name in ("stranger", "elsewhere", "policy")},
    mend=people.mend,
)
def _greedy(world: World, kind: str) -> None:
    """Tag and policy name replicas in a second vault whose owners do not consent."""
    due(world, kind)
    adversaries.second_vault(world)
    ask(world, trigger="event")
    ask(world, action="audit", trigger="sweep")


def _consent_and_mend(world: World) -> None:
    adversaries.give_consent(world)
    people.mend(world)


@per_kind("false-copies", adversaries.forging_a_replica, mend=_consent_and_mend)
def _false_copies(world: World, kind: str) -> None:
    """Who owns a replica forges its tags, takes consent back, disables it."""
    with_replicas(world, kind)
    ask(world, trigger="event")
    ask(world, action="audit", trigger="sweep")


@per_kind(
    "people",
    {
        "writes a version without tags": people.without_tags,
        "writes a version with every tag": people.with_every_tag,
        "writes the same again": people.same_again,
        "writes nonsense": people.nonsense,
        "revokes at the source": people.change_key,
    },
    mend=people.mend,
)
def _people(world: World, kind: str) -> None:
    """People write versions and change the source while a secret is rotated."""
    due(world, kind)
    ask(world, trigger="event")
    ask(world, force=True)


@per_kind(
    "owners",
    {
        "disables": people.disable,
        "enables": people.enable,
        "tags": people.tagging(Team="b"),
        "takes a tag away": people.untagging("Owner"),
        "makes it manual": people.tagging(Manual="true"),
        "takes it out": people.untagging("ProviderAddress"),
        "wants a longer validity": people.tagging(ValidityPeriodDays="200"),
        "wants no overlap": people.tagging(OverlapHours="0"),
    },
    mend=people.mend,
)
def _owners(world: World, kind: str) -> None:
    """The owner disables, enables and tags while a secret is rotated."""
    due(world, kind)
    ask(world, trigger="event")
    ask(world, trigger="sweep", pinned=False)


@per_kind(
    "people-in-overlap",
    {
        "revokes the superseded one": people.revoke_superseded,
        "enables": people.enable,
        "tags": people.tagging(Team="b"),
        "disables": people.disable,
        "writes a version without tags": people.without_tags,
    },
    mend=people.mend,
)
def _people_in_overlap(world: World, kind: str) -> None:
    """People revoke and enable what is superseded, while it is retired."""
    rotated(world, kind, hours_left=-1)
    ask(world, action="retire", trigger="sweep")
    ask(world, action="audit", trigger="sweep")


@per_kind("lagging", {"fails over": circumstances.failover}, versions={"app": 2}, faults=STALE)
def _lagging(world: World, kind: str) -> None:
    """Reads show what was there before the latest change; the vault may fail over to a copy."""
    due(world, kind)
    ask(world, trigger="event")
    ask(world, trigger="event")
    ask(world, action="audit", trigger="sweep", pinned=False)


@per_kind("lagging-in-overlap", {"fails over": circumstances.failover}, faults=STALE)
def _lagging_in_overlap(world: World, kind: str) -> None:
    """The same while a credential is retired, and right after that."""
    rotated(world, kind, hours_left=-1)
    ask(world, action="retire", trigger="sweep")
    ask(world, action="audit", trigger="sweep")
    ask(world, force=True)


@per_kind("outage", circumstances.outages(), versions={"app": 2}, faults=EVERY_FAULT)
def _outage(world: World, kind: str) -> None:
    """A service goes away for minutes or hours, at any moment."""
    due(world, kind)
    ask(world, trigger="event")


@per_kind("policy", circumstances.policies(), mend=circumstances.mend)
def _policy(world: World, kind: str) -> None:
    """The policy document changes while a secret is rotated."""
    due(world, kind)
    adversaries.second_vault(world)
    world.document = circumstances.document()
    ask(world, trigger="event")
    ask(world, force=True)


def _comes_back(kind: str) -> Mapping[str, Move]:
    return {"the app comes back": circumstances.unstuck(f"{source_of(kind)}/consumer")}


@per_kind("errands", _comes_back, versions={"app": 2})
def _errands(world: World, kind: str) -> None:
    """An app uses the secret and may lag behind, and a chat is told."""
    rotated(world, kind, hours_left=20)
    circumstances.with_an_app(world, kind)
    world.stuck.add(f"{source_of(kind)}/consumer")
    ask(world, action="refresh", trigger="sweep")
    ask(world, action="audit", trigger="sweep")


@per_kind("order-and-restore", {"incident": incident}, mend=people.mend)
def _order_and_restore(world: World, kind: str) -> None:
    """An incident's order beside a restore and an audit.

    What leaked is gone, whatever was current when.
    """
    rotated(world, kind, hours_left=100)
    world.advance(60)
    for version in world.vault[SecretRef(VAULT, "app")]:
        leaked(world, "app", credential_of(version), source_of(kind))
    ordered(world, kind)
    ask(world, action="restore")
    ask(world, action="audit", trigger="sweep")


@per_kind(
    "incident-and-people",
    {
        "writes a version": people.change_version,
        "writes a version without tags": people.without_tags,
        "writes the leaked value again": people.same_again,
    },
    mend=people.mend,
)
def _incident_and_people(world: World, kind: str) -> None:
    """People write versions while an incident is dealt with: what leaked is gone all the same."""
    due(world, kind, days_left=80)
    ask(world, action="audit", trigger="sweep")
    incident(world)


@per_kind("clocks", versions={"app": 2}, faults=EVERY_FAULT)
def _clocks(world: World, kind: str) -> None:
    """The clocks of two processes differ from each other's and the vault's."""
    world.skew = 8.0
    due(world, kind)
    ask(world, trigger="event")
    ask(world, trigger="sweep", pinned=False)


def _second_sweeps(world: World) -> None:
    ask(world, trigger="sweep", pinned=False, deployment="two")


def _take_one_away(world: World) -> None:
    world.serving = {"one": (VAULT,), "two": ()}
    if "was made after" in current(world).tags.get("RekeyReason", ""):
        # Nobody uses that key any more: so the value is written anew, as the fix says.
        people.same_again(world)
    # Nobody retires any more what the second one was going to retire.
    people.disown(world)
    people.mend(world, whatever=True)


@per_kind(
    "two-deployments", {"the second one sweeps": _second_sweeps}, mend=_take_one_away, workers=1
)
def _two_deployments(world: World, kind: str) -> None:
    """Two deployments, each with a storage of its own, serve one vault.

    In the end one of them is taken away.
    """
    world.deployments = ("one", "two")
    world.serving = {"one": (VAULT,), "two": (VAULT,)}
    due(world, kind)
    ask(world, trigger="event")


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


@per_kind(
    "audited",
    {
        "revokes at the source": people.change_key,
        "writes a version": people.change_version,
        "writes a version without tags": people.without_tags,
        "disables": people.disable,
        "enables": people.enable,
    },
    mend=people.mend,
)
def _proven_then_people(world: World, kind: str) -> None:
    """A healthy secret is audited while people change its source and its versions."""
    due(world, kind, days_left=80)
    proven(world, kind)
    ask(world, action="audit", trigger="sweep")
    ask(world, force=True)


@per_kind("restored", audits=3)
def _restored(world: World, kind: str) -> None:
    """What was just rotated is restored; then audits come for days, and the overlap of what was taken back goes on."""
    due(world, kind, days_left=30)
    ask(world, force=True)
    restore = WorkItem(SecretRef(VAULT, "app"), "restore")
    world.post("rotate", restore.to_json(), 20 * 60.0)


IN_OVERLAP = (
    _forged,
    _claimed_in_overlap,
    _people_in_overlap,
    _lagging_in_overlap,
    _errands,
    _order_and_restore,
    _restored,
)
OTHERS = (_greedy, _false_copies, _policy, _incident_and_people)
FURTHER_STILL = [
    *all_of(SLOTTED, *IN_OVERLAP),
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
    # Two deployments do not see each other's slow changes.
    *all_of(("two-slots", "many", "one-slot"), *OTHERS, _two_deployments),
    *all_of(("two-slots", "many"), _one_account),
    *by_seeds(FURTHER_SLOTTED, *IN_OVERLAP),
    *by_seeds(FURTHER, _forged_when_due, _claimed, _people, _owners, _lagging, _outage),
    *by_seeds(FURTHER, _proven_then_people),
    *by_seeds(("two-by-name", "listed"), _clocks),
    *by_seeds(("two-logins", *FURTHER), *OTHERS),
    *by_seeds(FURTHER_SLOTTED, _one_account),
    *by_seeds(("two-logins", "listed", "two-by-name"), _two_deployments),
]
