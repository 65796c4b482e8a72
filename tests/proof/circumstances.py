"""What happens to the services around Rekey.

Outages that last, copies, changing policies, apps that lag behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.state.policy import Document
from tests.proof import adversaries, people
from tests.proof.excuses import Excuse
from tests.proof.staging import Move, source_of
from tests.proof.world import OTHER_VAULT, VAULT, World


def outage(service: str, seconds: float) -> Move:
    """Return a move after which a service does not answer for so long.

    What must heal has five minutes after that.
    """

    def move(world: World) -> None:
        until = world.kernel.time() + seconds
        world.down[service] = max(world.down.get(service, 0.0), until)
        world.away += seconds
        world.watch.disturb(until)

    return move


def outages() -> dict[str, Move]:
    """Return an outage of each service."""
    lengths = dict(
        zip(("source", "vault", "storage", "writes"), (1800.0, 1800.0, 180.0, 3600.0), strict=True)
    )
    return {
        f"{service} goes away": outage(service, seconds) for service, seconds in lengths.items()
    }


def refusals() -> dict[str, Move]:
    """Return moves after which a service refuses what it is asked for, for minutes or for hours."""
    return {
        f"{service} refuses for {seconds:.0f} s": outage(service, seconds)
        for service in ("source", "vault", "writes")
        for seconds in (600.0, 10_800.0)
    }


def throttles() -> dict[str, Move]:
    """Return moves after which a service answers 429 for an hour: see World.throttles."""
    return {
        f"{service} throttles for {seconds:.0f} s": outage(service, seconds)
        for service in ("source", "vault", "writes", "storage")
        for seconds in (900.0, 3600.0)
    }


def outages_elsewhere() -> dict[str, Move]:
    """Return an outage of each service but the source.

    What it keeps from being published can be taken back at the source, which answers.
    """

    def outage_of(service: str) -> Move:
        def move(world: World) -> None:
            until = world.kernel.time() + 900.0
            world.down[service] = max(world.down.get(service, 0.0), until)
            world.away += 900.0
            world.watch.away_elsewhere(until)

        return move

    return {
        f"{service} goes away": outage_of(service) for service in ("vault", "storage", "writes")
    }


def failover(world: World) -> None:
    """The vault fails over.

    For twenty minutes reads come from a copy, and nothing can be written.
    """
    until = world.kernel.time() + 1200.0
    world.copy_until = until
    world.away += 1200.0
    world.down["writes"] = max(world.down.get("writes", 0.0), until)
    world.watch.disturb(until)


def document(**data: Any) -> Document:
    """Return a policy document."""
    return Document.of(data)


def policy(shortest: float | None = None, **data: Any) -> Move:
    """Return a move after which another policy document holds.

    With `shortest`, it allows so short an overlap.
    """

    def move(world: World) -> None:
        if shortest is not None:
            world.watch.shortest["app"] = shortest
        world.document = document(**data)

    return move


def rule(**settings: Any) -> list[Mapping[str, Any]]:
    """Return a rule for `app`."""
    return [{"match": {"secret": "app"}, **settings}]


def mend(world: World) -> None:
    """The document says nothing any more, and the owner mends the rest."""
    world.document = document()
    people.mend(world)


def _binding_less(world: World) -> None:
    """The source is taken out of the scopes: what is open there waits for whoever did that."""
    world.watch.excuses.grant(Excuse.CLAIM, "app")
    policy(vaults={VAULT: {"scopes": ["/nowhere"]}})(world)


def _naming_a_stranger(world: World) -> None:
    """A replica out of scope parks the secret, until whoever wrote that mends it."""
    world.watch.excuses.grant(Excuse.CLAIM, "app")
    policy(rules=rule(replicas=[f"{OTHER_VAULT}/secrets/stranger"]))(world)


def policies() -> dict[str, Move]:
    """Return a change of the policy document each."""
    return {
        "the policy binds less": _binding_less,
        "the policy names a stranger as a replica": _naming_a_stranger,
        "the policy shortens the overlap": policy(1.0, rules=rule(overlapHours=1)),
        "the policy says that only a person rotates it": policy(rules=rule(manual=True)),
        "the policy says nothing": policy(),
    }


def consumers(address: str) -> Document:
    """Return a document that names an app which uses the secret, and a chat that is told."""
    return document(
        consumers=[{"match": {"secret": "app"}, "resources": [f"{address}/consumer"]}],
        notifications=[{"kind": "slack", "webhookSecret": "hook"}],
    )


def with_an_app(world: World, kind: str) -> None:
    """Add an app that uses the secret, and a chat that is told."""
    adversaries.second_vault(world)
    world.secret("hook", "https://hooks.example/T0", 400, {}, OTHER_VAULT)
    world.document = consumers(source_of(kind))
    world.apps[f"{source_of(kind)}/consumer"] = "v1"
    # As long as it is stuck it is looked at again and again.
    world.away += 3600.0


def unstuck(app: str) -> Move:
    """Return a move after which an app comes to use a new version, as soon as it is refreshed."""
    return lambda world: world.stuck.discard(app)
