"""What a deliberate bug is, and how one is put in place of a method or a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

type Break = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    """One bug."""

    apply: Break
    promise: str
    """How the violation begins that it must lead to."""
    scenarios: tuple[str, ...]
    """Where to look for it: names of scenarios, or of kinds after `real:`."""
    tests: tuple[str, ...] = ()
    """Tests that notice it, where no schedule does: a second guard covers it, or what it takes is
    not in the model."""


def method(owner: Any, name: str, value: Any = None) -> Break:
    """Return a break after which a coroutine method does nothing but return a value."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        async def nothing(*_: Any, **__: Any) -> Any:
            return value

        patch.setattr(owner, name, nothing)

    return apply


def function(owner: Any, name: str, function: Any) -> Break:
    """Return a break that puts a function in place of another."""
    return lambda patch: patch.setattr(owner, name, function)
