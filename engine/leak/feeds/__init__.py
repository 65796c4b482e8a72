"""Reports of scanners, one module each: what was found, and where. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from engine.leak.feeds import github, gitleaks, trufflehog

type Read = Callable[[str], tuple[Sequence[tuple[str, str]], int]]
READERS: Mapping[str, Read] = {
    "github": github.read,
    "gitleaks": gitleaks.read,
    "trufflehog": trufflehog.read,
}
"""Each reads a report into values with their locations, and counts what cannot be read."""
