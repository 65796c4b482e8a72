"""A command in a process that ends, or loses an answer, at one call that it makes."""

from __future__ import annotations

from contextlib import suppress

from cli.main import main
from cli.session import Parts
from simulator.reach.sabotage import Died, Mode, Saboteur
from simulator.reach.transport import SimulatedCredential, SimulatedTransport, forget_challenges
from tests.cli.desk import Desk, captured
from tests.shared.rig import RigClock


def struck(desk: Desk, at: int, mode: Mode, *argv: str) -> bool:
    """Type a command and strike at one of its calls; return whether there was such a call."""
    forget_challenges()
    saboteur = Saboteur({at: mode})
    parts = Parts(
        SimulatedCredential(desk.world, desk.ada),
        RigClock(desk.clock),
        {"transport": SimulatedTransport(desk.world, saboteur)},
    )
    with suppress(Died):
        captured(lambda: main(argv, desk.env, parts))
    return saboteur.calls > at
