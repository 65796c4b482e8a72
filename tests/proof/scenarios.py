"""What is asked for, from which state, and what people do meanwhile.

Everything that a schedule is played on.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.secret import SecretRef
from engine.state.tags import OPERATION, RETIRE
from tests.proof.adversaries import LONG_AGO, NOBODYS, forge
from tests.proof.bringing_back import BROUGHT_BACK
from tests.proof.copies import COPIES
from tests.proof.deleting import DELETED
from tests.proof.derived import DERIVED
from tests.proof.further import FURTHER_STILL
from tests.proof.going_back import GOING_BACK
from tests.proof.handing_over import HANDED_OVER
from tests.proof.lasting import LASTING
from tests.proof.listed import LISTED
from tests.proof.losing import losing
from tests.proof.lost_requests import LOST_REQUESTS
from tests.proof.moving import MOVING
from tests.proof.on_call import ON_CALL
from tests.proof.people import change_key, change_version, keep_one, mend, unmanage, untagging
from tests.proof.released import RELEASED
from tests.proof.reported import REPORTED
from tests.proof.staging import (
    EVERY,
    FIRST,
    FURTHER,
    FURTHER_SLOTTED,
    SECOND,
    SLOTTED,
    Move,
    Scenario,
    add_source,
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
from tests.proof.strains import STRAINED
from tests.proof.to_the_second import CLOSER
from tests.proof.together import together
from tests.proof.world import VAULT, World

__all__ = ["FIRST", "SCENARIOS", "SECOND", "Scenario", "source_of"]


@per_kind("rotation", versions={"app": 2}, workers=3)
def _rotation(world: World, kind: str) -> None:
    due(world, kind)
    ask(world, trigger="event")
    ask(world, trigger="sweep", pinned=False, source=source_of(kind), action="rotate")
    ask(world, trigger="event")


@per_kind("forced", versions={"app": 2})
def _forced(world: World, kind: str) -> None:
    due(world, kind, days_left=80)
    ask(world, force=True)
    ask(world, trigger="event")


@per_kind("one", versions={"app": 2}, workers=1)
def _one(world: World, kind: str) -> None:
    due(world, kind)
    ask(world, trigger="event")


@per_kind("incident")
def _incident(world: World, kind: str) -> None:
    due(world, kind)
    ask(world, trigger="event")
    incident(world)


@per_kind("incident-alone", versions={"app": 2}, workers=1)
def _incident_alone(world: World, kind: str) -> None:
    due(world, kind, days_left=80)
    incident(world)


@per_kind("by-hand", {"key": change_key, "version": change_version}, mend=mend)
def _by_hand(world: World, kind: str) -> None:
    due(world, kind)
    ask(world, trigger="event")


@per_kind("drift", versions={"app": 2}, workers=1)
def _drift(world: World, kind: str) -> None:
    due(world, kind, days_left=80)
    proven(world, kind)
    change_key(world)
    ask(world, action="audit", trigger="sweep")


@per_kind("drift-in-overlap", versions={"app": 3}, workers=1)
def _drift_in_overlap(world: World, kind: str) -> None:
    rotated(world, kind, hours_left=100)
    change_key(world)
    ask(world, action="audit", trigger="sweep")


@per_kind("two-secrets", exempt=frozenset({"app", "rival"}), mend=keep_one)
def _two_secrets(world: World, kind: str) -> None:
    due(world, kind)
    held = world.vault[SecretRef(VAULT, "app")][-1].value
    assert held is not None
    world.secret("rival", held.reveal(), 10, managed(kind))
    ask(world, trigger="event")
    ask(world, "rival", trigger="event")


@per_kind("replicas", versions={"app": 2})
def _replicas(world: World, kind: str) -> None:
    with_replicas(world, kind)
    ask(world, trigger="event")
    ask(world, trigger="sweep", pinned=False)


@per_kind("unbound", versions={"app": 2}, exempt=frozenset({"thief"}), mend=unmanage("thief"))
def _unbound(world: World, kind: str) -> None:
    due(world, kind)
    credential = add_source(world, kind, "victim")
    world.scopes = world.scopes[:1]
    world.watch.untouchable |= world.sources[source_of(kind, "victim")].alive()
    world.secret("thief", credential, 10, managed(kind, ProviderAddress=source_of(kind, "victim")))
    ask(world, trigger="event")
    ask(world, "thief", force=True)


@per_kind("retirement", {"incident": incident})
def _retirement(world: World, kind: str) -> None:
    rotated(world, kind, hours_left=-1)
    ask(world, action="retire", trigger="sweep")
    ask(world, force=True)


@per_kind("restore", versions={"app": 3})
def _restore(world: World, kind: str) -> None:
    rotated(world, kind, hours_left=1)
    ask(world, action="restore")
    ask(world, action="audit", trigger="sweep")


@per_kind("window", versions={"app": 2}, workers=1)
def _window(world: World, kind: str) -> None:
    due(world, kind, RotationWindow="Mon 08:00-09:01 UTC")
    ask(world, trigger="event")


@per_kind("closed", versions={"app": 2})
def _closed(world: World, kind: str) -> None:
    due(world, kind, days_left=25, RotationWindow="Tue 12:00-15:00 UTC")
    world.watch.open_at = lambda moment: moment.weekday() == 1 and 12 <= moment.hour < 15
    ask(world, trigger="event")


def _no_replicas(world: World) -> None:
    untagging("Replicas", "RekeyState", "RekeyReason")(world)


@per_kind("stranger", exempt=frozenset({"app"}), mend=_no_replicas)
def _stranger(world: World, kind: str) -> None:
    due(world, kind, Replicas=f"{VAULT}/secrets/stranger")
    stranger = world.secret("stranger", "somebody else's", 10, {"Owner": "team-b"})
    world.watch.bystanders[stranger.ref] = (stranger,)
    ask(world, trigger="event")


@per_kind("order", versions={"app": 2})
def _order(world: World, kind: str) -> None:
    due(world, kind, days_left=80)
    world.advance(60)
    leaked(world, "app", credential_of(current(world)), source_of(kind))
    ordered(world, kind)


@per_kind("incident-restore")
def _incident_restore(world: World, kind: str) -> None:
    rotated(world, kind, hours_left=100)
    leaked(world, "app", credential_of(world.vault[SecretRef(VAULT, "app")][0]), source_of(kind))
    ask(world, compromised=True, force=True, version="v1")
    ask(world, action="restore")


def _forging(kind: str) -> Mapping[str, Move]:
    victim = "id3" if kind == "many" else FIRST[kind]
    return {
        "retire": forge(**{RETIRE: f"{LONG_AGO} v1 {FIRST[kind]}"}),
        "retire another": forge(**{RETIRE: f"{LONG_AGO} v1 {victim}"}),
        "credential": forge(CredentialId=FIRST[kind]),
        "operation": forge(**{OPERATION: NOBODYS}),
        "state": forge(RekeyState="compromised 2027-01-01T00:00:00Z 000000000000"),
    }


@per_kind("hostile", _forging, mend=mend)
def _hostile(world: World, kind: str) -> None:
    rotated(world, kind, hours_left=100)
    ask(world, action="audit", trigger="sweep")
    ask(world, action="retire", trigger="sweep")


FIRST_OF_ALL = (
    *(_one, _rotation, _forced, _incident, _incident_alone, _by_hand, _drift),
    *(_two_secrets, _replicas, _unbound, _window, _closed, _stranger, _order),
)
IN_OVERLAP = (_retirement, _restore, _drift_in_overlap, _incident_restore, _hostile)
SCENARIOS = {
    scenario.name: scenario
    for scenario in [
        *by_seeds(FURTHER, *FIRST_OF_ALL),
        *by_seeds(FURTHER_SLOTTED, *IN_OVERLAP),
        *all_of(EVERY, *FIRST_OF_ALL),
        *all_of(SLOTTED, *IN_OVERLAP),
        *FURTHER_STILL,
        *LASTING,
        *DERIVED,
        *LISTED,
        *all_of(("listed",), _one, _incident_alone, _retirement),
        *all_of(("two-by-name",), _rotation, _incident_alone, _retirement),
        *GOING_BACK,
        *DELETED,
        *HANDED_OVER,
        *STRAINED,
        *CLOSER,
        *LOST_REQUESTS,
        *REPORTED,
        *RELEASED,
        *MOVING,
        *BROUGHT_BACK,
        *ON_CALL,
        *COPIES,
    ]
}
SCENARIOS |= {scenario.name: scenario for scenario in (*losing(SCENARIOS), *together(SCENARIOS))}
