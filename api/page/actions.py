"""What a person can do about one secret.

The buttons, what each would do, and the commands that do the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api import actions
from api.access import Caller, Role, demand
from api.answers import Answer
from api.requests import Request
from engine.engine import Engine
from engine.errors import RekeyError
from engine.state.entry import Entry

REASON = '--reason "why"'


@dataclass(frozen=True, slots=True)
class PageAction:
    """One thing that a person can do."""

    key: str
    verb: actions.Verb
    label: str
    """What the button says."""
    does: str
    """What it does, in one sentence."""
    options: str = ""
    """Of the command line."""
    body: dict[str, bool] = field(default_factory=dict)

    def command(self, entry: Entry) -> str:
        """Return the command that does it."""
        ref, options = entry.secret.ref, self.options
        if self.verb == "restore" and entry.managed and entry.managed.pending:
            options = f"--to {entry.managed.pending.version}"
        words = ("rekey", self.verb, ref.place, options, REASON, "--wait")
        return " ".join(word for word in words if word)


ACTIONS = (
    PageAction("unpark", "unpark", "Try again", (
        "Tries a parked secret now. Its mark goes when "
        "that works."
    )),
    PageAction(
        "rotate", "rotate", "Rotate now", (
            "Makes a new credential, although none may be due. The earlier "
            "one works on."
        ),
        "--force", {"force": True},
    ),
    PageAction(
        "leaked", "rotate", "It has leaked", (
            "Makes a new credential and cuts the earlier ones "
            "off at once."
        ),
        "--compromised", {"compromised": True},
    ),
    PageAction("restore", "restore", "Undo the rotation", (
        "Publishes the earlier credential again, if it "
        "still works."
    )),
    PageAction("retire", "retire", "Retire the earlier one", (
        "Revokes the earlier credential, if its overlap "
        "has passed."
    )),
)  # fmt: skip


KEYS = tuple(action.key for action in ACTIONS)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a action would do, or what keeps it from being done."""

    action: PageAction
    able: bool
    facts: tuple[tuple[str, str], ...]


def possible(entry: Entry) -> list[PageAction]:
    """Return what makes sense for a secret in this state.

    What is parked because its tags cannot be read may have leaked all the same.
    """
    marked, readable = entry.state in ("parked", "drifted"), entry.managed is not None
    pending = entry.managed is not None and entry.managed.pending is not None
    sensible = {
        "unpark": marked,
        "rotate": readable,
        "leaked": readable or marked,
        "restore": pending,
        "retire": pending,
    }
    return [action for action in ACTIONS if sensible[action.key]]


def may_act(caller: Caller) -> bool:
    """Return whether a caller may do any of it."""
    return caller.may(Role.OPERATOR)


async def trial(engine: Engine, request: Request, caller: Caller) -> Trial | None:
    """Return what the chosen action would do, changing nothing.

    Raises Forbidden for who may not do it.
    """
    chosen = request.choice("try", KEYS)
    action = next((action for action in ACTIONS if action.key == chosen), None)
    if action is None:
        return None
    demand(caller, Role.OPERATOR)
    dry = Request(
        "POST", request.url, request.path, {"dry_run": "true"}, {}, json.dumps(action.body).encode()
    )
    try:
        answer = await actions.consider(engine, action.verb, dry, caller)
    except RekeyError as error:
        return Trial(action, able=False, facts=(("why", error.what), ("fix", error.fix)))
    assert isinstance(answer, Answer)  # noqa: S101 - a dry run queues nothing
    forecast: dict[str, Any] = json.loads(answer.text())
    # What is done already has a status, and no steps.
    idle = ("skip", "wait") if action.key == "leaked" else ("skip", "wait", "park")
    able = "status" not in forecast and forecast["action"] not in idle
    return Trial(action, able, facts=tuple(_facts(forecast)))


def _facts(forecast: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what the API says would happen, in words.

    What identifies the secret stands on the page already.
    """
    known = ("operation", "vault", "secret", "version")
    return [
        (name.replace("_", " "), _readable(text))
        for name, text in forecast.items()
        if name not in known and text not in (None, "", [], {})
    ]


def _readable(value: Any) -> str:
    """Write a time and a list of steps for people; any other text stays as it is."""
    if isinstance(value, list) and all(isinstance(step, dict) for step in value):
        return "; ".join(f"{step.get('action')}: {step.get('reason')}" for step in value)
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        return f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return value
