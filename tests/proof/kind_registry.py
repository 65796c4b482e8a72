"""Every kind of the model, by name."""

from __future__ import annotations

from collections.abc import Mapping

from engine.contract import Rotator
from tests.proof.doubtful_kinds import OneDoubtful, TwoDoubtful
from tests.proof.hand import Hand
from tests.proof.kinds import ManySecrets, OneSlot, TwoLogins, TwoSlots
from tests.proof.listed_kind import ReplacedList
from tests.proof.named_kinds import OneLogin, TwoPairs
from tests.proof.quirky_kinds import TwoByName
from tests.proof.signed_kind import Signed
from tests.proof.slow_kinds import OneSlow, TwoSlow

type Kind = type[TwoSlots | OneSlot | TwoLogins | ManySecrets | OneSlow | Signed]
STRATEGIES: tuple[Kind, ...] = (
    TwoSlots,
    OneSlot,
    TwoLogins,
    ManySecrets,
    TwoSlow,
    OneSlow,
    Signed,
    ReplacedList,
    TwoByName,
    OneLogin,
    TwoPairs,
    OneDoubtful,
    TwoDoubtful,
)
KINDS: Mapping[str, Kind] = {kind.kind: kind for kind in STRATEGIES}


def build(hand: Hand) -> dict[str, Rotator]:
    """Return one rotator of every kind, but for one that the app lacks just now."""
    world = hand.world
    lacks = world.down.get("kind", 0.0) > world.kernel.time()
    missing = next(iter(world.sources)).split("/")[1] if lacks else ""
    return {name: kind(hand) for name, kind in KINDS.items() if name != missing}
