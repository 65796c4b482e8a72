"""Runs every check against one kind, and says what it breaks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from conformance.contract import CHECKS
from conformance.evidence import EVIDENCE
from conformance.faults import Broken
from conformance.hearing import Heard, everything, listening
from conformance.instances import INSTANCES
from conformance.repeats import REPEATS
from conformance.scene import Begin, Scene
from conformance.stories import STORIES
from engine.errors import RekeyError

type Check = Callable[[Begin], Awaitable[None]]

PROMISES: tuple[Check, ...] = (*CHECKS, *EVIDENCE, *INSTANCES, *REPEATS)
"""What the contract promises, without whole rotations."""
EVERY: tuple[Check, ...] = (*PROMISES, *STORIES)
SECONDS = 60.0
"""The longest that one scene of a check may take, in real time."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one check ended."""

    check: str
    """What must hold, as a sentence."""
    broken: tuple[str, ...] = ()
    """What the kind breaks; empty if it holds."""


async def run(
    begin: Callable[[Heard], Begin],
    checks: Sequence[Check] = EVERY,
    seconds: float = SECONDS,
) -> AsyncIterator[Verdict]:
    """Run the checks one after the other. `begin` sets scenes whose plug-in a `Heard` hears."""
    quiet = logging.getLogger("asyncio")
    for check in checks:
        heard = Heard()
        with listening(heard):
            quiet.setLevel(logging.WARNING)
            problem = await _played(check, begin(heard), heard, seconds)
        leaks = [f"P6: a credential stands in {where}" for where in heard.leaks()]
        name = check.__name__.replace("_", " ")
        blocking = [f"blocks the event loop: {call}" for call in heard.blocking]
        yield Verdict(name, tuple(filter(None, (problem, *leaks, *blocking))))


def _timed(begin: Begin, limit: asyncio.Timeout, seconds: float) -> Begin:
    """Return what sets scenes, each of which has the whole time again."""

    async def scene() -> Scene:
        limit.reschedule(asyncio.get_running_loop().time() + seconds)
        return await begin()

    return scene


async def _played(check: Check, begin: Begin, heard: Heard, seconds: float) -> str:
    try:
        async with asyncio.timeout(seconds) as limit:
            await check(_timed(begin, limit, seconds))
    except Broken as broken:
        return str(broken)
    except TimeoutError:
        return f"hangs: no end within {seconds:.0f} s"
    except RekeyError as error:
        heard.say("an error", everything(error))
        return f"raises {type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - a sandbox may raise anything
        heard.say("an error", everything(error))
        return f"raises {type(error).__name__}"
    return ""
