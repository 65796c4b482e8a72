"""One history of somebody else's rotator: its faults, its tries, and what is written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

DAY = 86400.0
MONTH = 30 * DAY
TRIES, WAIT = 5, 60.0
"""A rotation that failed is tried again after a minute, up to five times."""
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
    """Which of the values that are known the source accepts now."""
    plan: Mapping[int, Mode] = field(default_factory=dict)
    source: str = "/postgresql/app"
    secret: str = "aws/app"  # noqa: S105 - its name
    lines: list[str] = field(default_factory=list)
    now: float = 0.0
    calls: int = 0
    process: int = 0
    ids: dict[str, str] = field(default_factory=dict)
    """Values, each with its id."""
    known: set[str] = field(default_factory=set)

    def say(self, do: str, **fields: Any) -> None:
        """Write one line; what is None, False or empty is left out."""
        shown = {name: it for name, it in fields.items() if it not in (None, False, "", [])}
        self.lines.append(json.dumps({"t": self.now, "do": do, **shown}))

    def name(self, value: str) -> str:
        """Return the id of a value."""
        return self.ids.setdefault(value, f"c{len(self.ids)}")

    def begin(self, run: str, holds: str, versions: Mapping[str, str], overlap: float) -> None:
        """Write down the state at the beginning: by version, the values; the overlap in hours."""
        terms = {"source": self.source, "valid_days": 30, "days_before": 1}
        self.say("begin", history=1, run=run)
        changes: list[dict[str, Any]] = [{"source": self.source, "holds": holds}]
        self.known = self.accepts()
        held = [it for it in versions.values() if it in self.known]
        others = sorted(self.known - set(held))
        changes += [{"source": self.source, "takes": self.name(it)} for it in [*held, *others]]
        changes += [self.version(name, it) for name, it in versions.items()]
        owners = {"secret": self.secret, "terms": {**terms, "overlap_hours": overlap}}
        vault = self.secret.partition("/")[0]
        bound = {"vault": vault, "by": "", "bound": [self.source]}
        self.say("given", changes=[*changes, owners, bound])

    def version(self, name: str, value: str) -> dict[str, Any]:
        """Return the change that a version is."""
        usual = {"enabled": True, "expires": self.now + MONTH, "type": "text/plain", "tags": {}}
        return {"secret": self.secret, "version": name, "credential": self.name(value), **usual}

    def rotate(
        self,
        month: int,
        about: str,
        attempt: Callable[[int], Iterable[str]],
        shows: Callable[[], bool],
    ) -> None:
        """Ask for one rotation of a version, and attempt it until it says what it has published.

        An attempt is told how many there have been.
        """
        message = {"what": "rotate", "secret": self.secret, "version": about}
        self.say("message", m=month, **message)
        for tried in range(TRIES):
            self.process += 1
            self.say("start", p=self.process, m=month, tries=tried + 1, **message)
            if self._succeeds(partial(attempt, tried), shows):
                self.say("done", p=self.process)
                return
            self.say("fault")
            self.now += WAIT
        self.process += 1
        self.say("start", p=self.process, m=month, **message)
        why = {"says": "needs a person", "why": "it has failed five times", "unmarked": True}
        self.say("report", p=self.process, secret=self.secret, shows=shows(), **why)
        self.say("done", p=self.process)

    def _succeeds(self, attempt: Callable[[], Iterable[str]], shows: Callable[[], bool]) -> bool:
        try:
            published = attempt()
        except Died:
            self.say("crash", p=self.process)
            return False
        except Exception as error:  # noqa: BLE001 - it fails with whatever it likes
            self.say("failed", p=self.process, error=type(error).__name__)
            return False
        report = {"secret": self.secret, "says": "rotated"}
        for version in published:
            self.say("report", p=self.process, published=version, shows=shows(), **report)
        return True

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
            raise Lost(f"{what}: no answer")
        self.say("answer", n=number, **{"said": "ok", **shown(result)})
        return result

    def differs(self) -> list[dict[str, Any]]:
        """Return which values the source accepts anew, and which no longer."""
        before, self.known = self.known, self.accepts()
        gone = [
            {"source": self.source, "drops": self.name(it)} for it in sorted(before - self.known)
        ]
        return gone + [
            {"source": self.source, "takes": self.name(it)} for it in sorted(self.known - before)
        ]
