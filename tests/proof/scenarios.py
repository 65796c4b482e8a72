"""What is asked for, from which state, and what people do meanwhile.

Everything that a schedule is played on.
"""

from __future__ import annotations

from itertools import product

from engine.model.incident import Incident
from engine.model.sweep_order import SweepOrder
from engine.model.tags import OPERATION, RETIRE
from engine.secret import SecretRef
from tests.proof.deleting import DELETED
from tests.proof.derived import DERIVED
from tests.proof.further import FURTHER
from tests.proof.going_back import GOING_BACK
from tests.proof.handing_over import HANDED_OVER
from tests.proof.lasting import LASTING
from tests.proof.listed import LISTED
from tests.proof.losing import losing
from tests.proof.lost_requests import LOST_REQUESTS
from tests.proof.people import change_key, change_version, keep_one, mend, unmanage, untagging
from tests.proof.released import RELEASED
from tests.proof.reported import REPORTED
from tests.proof.sources import credential_in
from tests.proof.staging import (
    FIRST,
    SECOND,
    Move,
    Scenario,
    add_source,
    ask,
    due,
    incident,
    leaked,
    managed,
    proven,
    rotated,
    source_of,
    with_replicas,
)
from tests.proof.strains import STRAINED
from tests.proof.to_the_second import CLOSER
from tests.proof.world import VAULT, World

__all__ = ["FIRST", "SCENARIOS", "SECOND", "Scenario", "source_of"]


def _rotation(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")
        ask(world, trigger="sweep", pinned=False, source=source_of(kind), action="rotate")
        ask(world, trigger="event")

    return Scenario(f"rotation/{kind}", build, {}, {"app": 2}, workers=3)


def _forced(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind, days_left=80)
        ask(world, force=True)
        ask(world, trigger="event")

    return Scenario(f"forced/{kind}", build, {}, {"app": 2})


def _one(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")

    return Scenario(f"one/{kind}", build, {}, {"app": 2}, workers=1)


def _incident(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")
        incident(world)

    return Scenario(f"incident/{kind}", build)


def _incident_alone(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind, days_left=80)
        incident(world)

    return Scenario(f"incident-alone/{kind}", build, {}, {"app": 2}, workers=1)


def _by_hand(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")

    return Scenario(
        f"by-hand/{kind}", build, {"key": change_key, "version": change_version}, mend=mend
    )


def _drift(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind, days_left=80)
        proven(world, kind)
        change_key(world)
        ask(world, action="audit", trigger="sweep")

    return Scenario(f"drift/{kind}", build, {}, {"app": 2}, workers=1)


def _drift_in_overlap(kind: str) -> Scenario:
    def build(world: World) -> None:
        rotated(world, kind, hours_left=100)
        change_key(world)
        ask(world, action="audit", trigger="sweep")

    return Scenario(f"drift-in-overlap/{kind}", build, {}, {"app": 3}, workers=1)


def _two_secrets(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind)
        held = world.vault[SecretRef(VAULT, "app")][-1].value
        assert held is not None
        world.secret("rival", held.reveal(), 10, managed(kind))
        ask(world, trigger="event")
        ask(world, "rival", trigger="event")

    return Scenario(f"two-secrets/{kind}", build, exempt=frozenset({"app", "rival"}), mend=keep_one)


def _replicas(kind: str) -> Scenario:
    def build(world: World) -> None:
        with_replicas(world, kind)
        ask(world, trigger="event")
        ask(world, trigger="sweep", pinned=False)

    return Scenario(f"replicas/{kind}", build, {}, {"app": 2})


def _unbound(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind)
        credential = add_source(world, kind, "victim")
        world.scopes = world.scopes[:1]
        world.watch.untouchable |= world.sources[source_of(kind, "victim")].alive()
        world.secret(
            "thief", credential, 10, managed(kind, ProviderAddress=source_of(kind, "victim"))
        )
        ask(world, trigger="event")
        ask(world, "thief", force=True)

    return Scenario(
        f"unbound/{kind}", build, {}, {"app": 2}, frozenset({"thief"}), mend=unmanage("thief")
    )


def _retirement(kind: str) -> Scenario:
    def build(world: World) -> None:
        rotated(world, kind, hours_left=-1)
        ask(world, action="retire", trigger="sweep")
        ask(world, force=True)

    return Scenario(f"retirement/{kind}", build, {"incident": incident}, exempt=frozenset())


def _restore(kind: str) -> Scenario:
    def build(world: World) -> None:
        rotated(world, kind, hours_left=1)
        ask(world, action="restore")
        ask(world, action="audit", trigger="sweep")

    return Scenario(f"restore/{kind}", build, {}, {"app": 3})


def _window(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind, RotationWindow="Mon 08:00-09:01 UTC")
        ask(world, trigger="event")

    return Scenario(f"window/{kind}", build, {}, {"app": 2}, workers=1)


def _closed(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind, days_left=25, RotationWindow="Tue 12:00-15:00 UTC")
        world.watch.open_at = lambda moment: moment.weekday() == 1 and 12 <= moment.hour < 15
        ask(world, trigger="event")

    return Scenario(f"closed/{kind}", build, {}, {"app": 2})


def _no_replicas(world: World) -> None:
    untagging("Replicas", "RekeyState", "RekeyReason")(world)


def _stranger(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind, Replicas=f"{VAULT}/secrets/stranger")
        stranger = world.secret("stranger", "somebody else's", 10, {"Owner": "team-b"})
        world.watch.bystanders[stranger.ref] = (stranger,)
        ask(world, trigger="event")

    return Scenario(f"stranger/{kind}", build, exempt=frozenset({"app"}), mend=_no_replicas)


def _order(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind, days_left=80)
        world.advance(60)
        current = world.vault[SecretRef(VAULT, "app")][-1]
        assert current.value is not None
        leaked(world, "app", credential_in(current.value.reveal()), source_of(kind))
        order = SweepOrder.for_incident(
            VAULT, Incident(world.kernel.now(), source=source_of(kind), reason="leaked")
        )
        world.post("sweep", order.to_json())

    return Scenario(f"order/{kind}", build, {}, {"app": 2})


def _incident_restore(kind: str) -> Scenario:
    def build(world: World) -> None:
        rotated(world, kind, hours_left=100)
        earlier = world.vault[SecretRef(VAULT, "app")][0].value
        assert earlier is not None
        leaked(world, "app", credential_in(earlier.reveal()), source_of(kind))
        ask(world, compromised=True, force=True, version="v1")
        ask(world, action="restore")

    return Scenario(f"incident-restore/{kind}", build)


def forge(**forged: str) -> Move:
    """Return a move in which somebody edits tags of Rekey's own on the current version."""

    def edit(world: World) -> None:
        version = world.vault[SecretRef(VAULT, "app")][-1]
        world.edit(version.ref, tags={**version.tags, **forged})

    return edit


def _hostile(kind: str) -> Scenario:
    victim = "id3" if kind == "many" else FIRST[kind]

    def build(world: World) -> None:
        rotated(world, kind, hours_left=100)
        ask(world, action="audit", trigger="sweep")
        ask(world, action="retire", trigger="sweep")

    moves = {
        "retire": forge(**{RETIRE: f"2026-11-01T00:00:00Z v1 {FIRST[kind]}"}),
        "retire another": forge(**{RETIRE: f"2026-11-01T00:00:00Z v1 {victim}"}),
        "credential": forge(CredentialId=FIRST[kind]),
        "operation": forge(**{OPERATION: "00000000-0000-0000-0000-000000000000"}),
        "state": forge(RekeyState="compromised 2027-01-01T00:00:00Z 000000000000"),
    }
    return Scenario(f"hostile/{kind}", build, moves, mend=mend)


SLOTTED = ("two-slots", "two-logins", "many")
EVERY = (*SLOTTED, "one-slot")
SCENARIOS = {
    scenario.name: scenario
    for scenario in [
        *(
            make(kind)
            for make, kind in product(
                (
                    _one,
                    _rotation,
                    _forced,
                    _incident,
                    _incident_alone,
                    _by_hand,
                    _drift,
                    _two_secrets,
                    _replicas,
                    _unbound,
                    _window,
                    _closed,
                    _stranger,
                    _order,
                ),
                EVERY,
            )
        ),
        *(
            make(kind)
            for make, kind in product(
                (_retirement, _restore, _drift_in_overlap, _incident_restore, _hostile), SLOTTED
            )
        ),
        *FURTHER,
        *LASTING,
        *DERIVED,
        *LISTED,
        *(make("listed") for make in (_one, _incident_alone, _retirement)),
        *(make("two-by-name") for make in (_rotation, _incident_alone, _retirement)),
        *GOING_BACK,
        *DELETED,
        *HANDED_OVER,
        *STRAINED,
        *CLOSER,
        *LOST_REQUESTS,
        *REPORTED,
        *RELEASED,
    ]
}
SCENARIOS |= {scenario.name: scenario for scenario in losing(SCENARIOS)}
