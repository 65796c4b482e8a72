"""Which faults are the same, so that one of them is enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.proof.kernel import Mode
from tests.proof.schedule import Planned

READS = (
    "read",
    "read version",
    "list",
    "index",
    "peek",
    "record",
    "prove",
    "sign in",
    "list keys",
    "list secrets",
    "see an app",
)
SAME: Mapping[Mode, Mode] = {
    "die after": "die before",
    "fail after the effect": "lose the answer",
    "lose the request": "lose the answer",
    "arrive late": "lose the answer",
}
"""At a call that changes nothing these faults are the same: whoever made it dies, or sees no
answer."""


def is_read(label: str) -> bool:
    """Return whether a call changes nothing."""
    return label in READS or label.startswith("sign in as ")


def is_same(mode: str, label: str) -> bool:
    """Return whether another fault does the same at this call."""
    return mode in SAME and is_read(label)


@dataclass
class Lean(Planned):
    """Gives a case up that is the same as another one.

    A fault at a call that changes nothing strikes as its like does.
    """

    def mode(self, label: str) -> Mode:
        """Look the call up in the plan; raises Same where another case does the same."""
        mode = super().mode(label)
        if is_same(mode, label):
            raise Same
        return mode


class Same(Exception):
    """Another case plays the same."""
