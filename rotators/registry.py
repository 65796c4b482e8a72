"""Every kind of credential that Rekey rotates: the class of each file beside this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from cloud.azure import Azure
from engine.contract import Rotator
from engine.ports import Clock
from rotators import KINDS

type Maker = Callable[[Azure, Clock], Rotator]


def load(kind: str) -> Maker:
    """Return the class of a kind; raises ValueError where its file has none of that name."""
    module = import_module(f"rotators.{kind.replace('-', '_')}")
    for value in vars(module).values():
        if isinstance(value, type) and value.__dict__.get("kind") == kind:
            return value
    raise ValueError(f"{module.__file__} has no class whose kind is {kind!r}: name it as its file")


ROTATORS: tuple[Maker, ...] = tuple(map(load, KINDS))


def build(azure: Azure, clock: Clock, makers: Sequence[Maker] = ROTATORS) -> Mapping[str, Rotator]:
    """Return one rotator of every kind, by kind; raises ValueError if two share a name."""
    rotators = [make(azure, clock) for make in makers]
    by_kind = {rotator.kind: rotator for rotator in rotators}
    if len(by_kind) != len(rotators):
        raise ValueError("two rotators share a kind")
    return by_kind
