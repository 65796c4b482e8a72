"""What offers a kind of one's own, and what stands in its place when it cannot be used."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from cloud.azure import Azure
from engine.contract import Issued, Job, Rotator
from engine.errors import NeedsHuman
from engine.ports import Clock
from engine.secret import Sensitive

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""The name of a kind, as the tag `Rotator` has it."""
MOST_NAME = 40
"""Characters of a name."""


@dataclass(frozen=True, slots=True)
class PluginSpec:
    """A kind that a package or the settings offer. Nothing of it is loaded yet."""

    kind: str
    origin: str
    """Where it comes from, for a person: a package with its version, or a setting."""
    make: Callable[[Azure, Clock], Rotator]
    """Loads the kind; may raise anything."""


class Refused:
    """Stands for a kind that cannot be used. It claims no source, and changes nothing."""

    kind: ClassVar[str] = ""
    refusal: ClassVar[str] = ""
    value_field: ClassVar[str] = "value"
    template_fields: ClassVar[frozenset[str]] = frozenset({"value"})

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        """Claim nothing."""
        del address, tags
        return None

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        """Have no slot at all."""
        del tags
        return False

    async def issue(self, job: Job) -> Issued:
        """Issue nothing; raises NeedsHuman."""
        raise self._problem(job.source)

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Verify nothing; raises NeedsHuman."""
        del credential_id, credential
        raise self._problem(source)

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        """Accept nothing; raises NeedsHuman."""
        del credential_id, credential
        raise self._problem(source)

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Retire nothing; raises NeedsHuman."""
        del credential_id, held, held_id
        raise self._problem(source)

    def _problem(self, source: str) -> NeedsHuman:
        what, _separator, fix = self.refusal.partition(". Fix: ")
        return NeedsHuman(what, where=source, fix=fix)


def refused(kind: str, what: str, fix: str) -> Rotator:
    """Return what stands for a kind that cannot be used."""
    facts: dict[str, Any] = {"kind": kind, "refusal": f"{what}. Fix: {fix}"}
    made: type[Refused] = type("Refused", (Refused,), facts)
    return made()
