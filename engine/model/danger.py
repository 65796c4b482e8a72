"""Which of many leaked credentials is cut off first. Pure."""

from __future__ import annotations

from engine.contract import Opens, Ranked, Rotator

type Danger = tuple[bool, bool, Opens, bool]
"""What leaks are sorted by: the smallest is the most dangerous."""


def danger(
    kind: type[Rotator] | None,
    *,
    is_copy: bool = False,
    is_alive: bool = True,
    is_current: bool = True,
) -> Danger:
    """Return how dangerous a leak is.

    A copy comes last: it is cut off with what it copies. Before it come what may not work, then
    what opens less, then what is superseded and ends by itself.
    """
    opens = kind.opens if isinstance(kind, Ranked) else Opens.RESOURCE
    return is_copy, not is_alive, opens, not is_current


USUAL: Danger = danger(None)
"""That of one resource's credential, which works and is in use."""
