"""What a change of the policy document does to the secrets: states, dates, and its own rules."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from cli.terminal import Terminal, distance, moment
from engine.policy.change import Effect, Often
from engine.secret import SecretRef


def data_of(effect: Effect | None) -> dict[str, Any] | None:
    """Return it for programs; None where it is not known."""
    return asdict(effect) if effect else None


def show_effect(terminal: Terminal, effect: Effect, now: datetime) -> None:
    """Show the counts now and then, every secret whose state or date changes, and idle rules."""
    _counts(terminal, effect)
    for change in effect.changed:
        terminal.line(f"{change['secret']}: {change['from'] or 'unknown'} -> {change['to']}")
        if change["reason"]:
            terminal.line(f"  {change['reason']}")
    if not effect.changed:
        terminal.line("no secret begins or ceases to be rotated")
    if effect.moved:
        terminal.line()
        rows = [
            (
                SecretRef.parse(str(move["secret"])).place,
                _due(move["from"], now),
                _due(move["to"], now),
            )
            for move in effect.moved
        ]
        terminal.table(("secret", "due now", "due then"), rows)
    elif effect.now is not None:
        terminal.line("every secret falls due when it does now")
    for rule in effect.unmatched:
        terminal.line(f"rule {rule}: it decides about no secret", "33")
    for often in effect.often:
        terminal.line(_often(often), "33")


def _counts(terminal: Terminal, effect: Effect) -> None:
    now = effect.now if effect.now is not None else {}
    unknown = "unknown" if effect.now is None else "0"
    states = dict.fromkeys((*now, *effect.then))
    rows = [
        (state, str(now.get(state, unknown)), str(effect.then.get(state, 0))) for state in states
    ]
    for days, due in effect.due.items():
        present = unknown if due["now"] is None else str(due["now"])
        rows.append((f"due within {days} days", present, str(due["then"])))
    terminal.table(("secrets", "now", "then"), rows)


def _due(text: str | None, now: datetime) -> str:
    if text is None:
        return "never"
    time = datetime.fromisoformat(text)
    return f"{moment(time)} ({distance(time, now)})"


def _often(often: Often) -> str:
    whose = f"rule {often['rule']}" if often["rule"] else "defaults and tags"
    return (
        f"{whose}: ValidityPeriodDays less RotateBeforeDays makes each of {often['secrets']} "
        f"secret(s) rotate every {often['days']:g} days"
    )
