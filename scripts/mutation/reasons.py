"""Why some changes live: the list in `reasons.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).with_name("reasons.toml")


@dataclass(frozen=True)
class Reason:
    """Why no test notices a change, of a function that reads exactly as it did."""

    digest: str
    because: str


@dataclass(frozen=True)
class Reasons:
    """All of them, by the change's name."""

    by_name: Mapping[str, Reason]

    @classmethod
    def read(cls) -> Reasons:
        """Return the list."""
        entries = tomllib.loads(LIST.read_text()).get("lives", [])
        return cls(
            {entry["change"]: Reason(entry["digest"], entry["because"]) for entry in entries}
        )

    def of(self, name: str, digest: str) -> str:
        """Return why this change lives; "" if that is not known of the function as it reads now."""
        reason = self.by_name.get(name)
        return reason.because if reason and reason.digest == digest else ""
