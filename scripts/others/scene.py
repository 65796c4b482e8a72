"""One rotation of somebody else's function: its services, its faults, and what is written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

DAY = 86400.0
SOURCE, SECRET = "/postgresql/app", "aws/app"
Mode = Literal["die before", "die after", "lose the answer"]
MODES: tuple[Mode, ...] = ("die before", "die after", "lose the answer")


class Died(BaseException):
    """The process ended here: nothing of it runs on."""


class Lost(Exception):  # noqa: N818 - the name says what is the case
    """No answer came."""


@dataclass
class Scene:
    """Writes down what happens, and strikes at the calls that the plan names, counted from 0."""

    accepts: Callable[[], set[str]]
    """Which passwords the server accepts now; it is asked for each that is known."""
    plan: Mapping[int, Mode] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    now: float = 0.0
    calls: int = 0
    process: int = 0
    ids: dict[str, str] = field(default_factory=dict)
    """Passwords, each with its id."""
    known: set[str] = field(default_factory=set)

    def say(self, do: str, **fields: Any) -> None:
        """Write one line; what is None, False or empty is left out."""
        shown = {name: it for name, it in fields.items() if it not in (None, False, "", [])}
        self.lines.append(json.dumps({"t": self.now, "do": do, **shown}))

    def name(self, password: str) -> str:
        """Return the id of a password."""
        return self.ids.setdefault(password, f"c{len(self.ids)}")

    def begin(self, run: str, holds: str, versions: Mapping[str, str]) -> None:
        """Write down the state at the beginning: by version, the passwords."""
        hours = 0 if holds == "one" else 29 * 24
        terms = {"source": SOURCE, "valid_days": 30, "days_before": 1, "overlap_hours": hours}
        self.say("begin", history=1, run=run)
        changes: list[dict[str, Any]] = [{"source": SOURCE, "holds": holds}]
        self.known = self.accepts()
        changes += [
            {"source": SOURCE, "takes": self.name(it)}
            for it in versions.values()
            if it in self.known
        ]
        changes += [self.version(name, it) for name, it in versions.items()]
        bound = {"vault": "aws", "by": "", "bound": [SOURCE]}
        self.say("given", changes=[*changes, {"secret": SECRET, "terms": terms}, bound])

    def version(self, name: str, password: str) -> dict[str, Any]:
        """Return the change that a version is."""
        usual = {"enabled": True, "expires": self.now + 30 * DAY, "type": "text/plain", "tags": {}}
        return {"secret": SECRET, "version": name, "credential": self.name(password), **usual}

    def call[T](
        self,
        to: str,
        what: str,
        effect: Callable[[], T],
        changed: Callable[[], list[dict[str, Any]]] = list,
        shown: Callable[[T], Mapping[str, Any]] = lambda _: {},
        **fields: Any,
    ) -> T:
        """Make one call, or have it struck."""
        mode = self.plan.get(self.calls)
        number = self.calls = self.calls + 1
        self.say("call", n=number, p=self.process, to=to, what=what, **fields)
        if mode == "die before":
            raise Died
        result = effect()
        if changes := changed():
            self.say("applied", call=number, changes=changes)
        if mode == "die after":
            raise Died
        if mode == "lose the answer":
            self.say("answer", n=number, said="nothing")
            raise Lost(f"{what}: no answer")
        self.say("answer", n=number, said="ok", **shown(result))
        return result

    def differs(self) -> list[dict[str, Any]]:
        """Return which passwords the server accepts anew, and which no longer."""
        before, self.known = self.known, self.accepts()
        gone = [{"source": SOURCE, "drops": self.name(it)} for it in sorted(before - self.known)]
        return gone + [
            {"source": SOURCE, "takes": self.name(it)} for it in sorted(self.known - before)
        ]
