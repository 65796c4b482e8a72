"""A question before something is done that cannot be taken back."""

from __future__ import annotations

import signal
import sys
from typing import Protocol

from cli.terminal import Terminal
from engine.errors import NeedsHuman


class Person(Protocol):
    """Whoever answers."""

    def ask(self, question: str) -> str:
        """Return the answer, without the line's end; raises EOFError where nobody answers."""
        ...


class Typist:
    """Whoever sits at the keyboard."""

    def ask(self, question: str) -> str:
        """Ask, and return the answer.

        The question goes to the error stream, where it is no part of a result.
        """
        sys.stderr.write(question)
        sys.stderr.flush()
        # asyncio's own handler only cancels the task, which goes on to act once a line is typed.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return input()
        finally:
            signal.signal(signal.SIGINT, before)


def consent(terminal: Terminal, person: Person | None, warning: str, question: str) -> None:
    """Say what is to be known and ask.

    Raises NeedsHuman where the answer is not yes, or nobody can answer.
    """
    if person is None and not sys.stdin.isatty():
        raise NeedsHuman(
            f"nobody can be asked here: {warning}", fix="say yes beforehand, with --yes"
        )
    terminal.note(warning)
    try:
        answer = (person or Typist()).ask(f"{question} (y/n) ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise NeedsHuman("the answer was not yes, so nothing was done")
