"""`--watch`: a result anew every so many seconds, each in place of the one before."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NoReturn, TextIO

from cli.codes import exit_of
from cli.gathering import NothingRead
from cli.session import Session
from engine.errors import TransientError


class Frame(io.StringIO):
    """Holds a result back until all of it is there, so that no screen stands empty meanwhile."""

    def __init__(self, screen: TextIO) -> None:
        super().__init__()
        self._screen = screen

    def isatty(self) -> bool:
        """Return whether it is a terminal that the frame goes to."""
        return self._screen.isatty()


async def watch(
    session: Session, seconds: int, run: Callable[[Session], Awaitable[int]]
) -> NoReturn:
    """Show until somebody interrupts it; what passes by itself is told, and ends nothing."""
    while True:
        frame = Frame(session.terminal.out)
        framed = replace(session, terminal=replace(session.terminal, out=frame))
        try:
            await run(framed)
        except TransientError as error:
            framed.terminal.problem(error, exit_of(error))
        except NothingRead:
            pass  # The problems have been told.
        session.terminal.clear()
        session.terminal.out.write(frame.getvalue())
        session.terminal.line(
            f"at {session.now():%H:%M:%S}Z; again in {seconds} s, until Ctrl-C", "2"
        )
        session.terminal.out.flush()
        await session.service.engine.clock.sleep(seconds)
