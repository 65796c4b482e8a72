"""What a deliberate bug is, and how one is put in place of a method or a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from engine.rotation import publish

type Break = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    """One bug."""

    apply: Break
    promise: str
    """How the violation begins that it must lead to."""
    scenarios: tuple[str, ...] = ()
    """Where to look for it: names of scenarios, or of kinds after `real:`."""
    test: str = ""
    """The test that notices it, where no schedule does: a second guard covers it, or what it takes
    is not in the model."""


def method(owner: Any, name: str, value: Any = None) -> Break:
    """Return a break after which a coroutine method does nothing but return a value."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        async def nothing(*_: Any, **__: Any) -> Any:
            return value

        patch.setattr(owner, name, nothing)

    return apply


def in_place_of(owner: Any, name: str) -> Callable[[Callable[..., Any]], Break]:
    """Make a function a break: it is called with what it stands in for, then with all that gets."""

    def broken(instead: Callable[..., Any]) -> Break:
        def apply(patch: pytest.MonkeyPatch) -> None:
            right = getattr(owner, name)
            patch.setattr(
                owner, name, lambda *arguments, **named: instead(right, *arguments, **named)
            )

        return apply

    return broken


def function(owner: Any, name: str, function: Any) -> Break:
    """Return a break that puts a function in place of another."""
    return lambda patch: patch.setattr(owner, name, function)


def overlap(change: Callable[[timedelta], timedelta]) -> Break:
    """Return a break of how long the overlap of a new version is."""

    @in_place_of(publish, "new_version")
    def other(version: Any, *arguments: Any) -> Any:
        secret, managed, issued, now, wanted, *rest = arguments
        return version(secret, managed, issued, now, change(wanted), *rest)

    return other
