"""The keys for functions over HTTP, and what each permits. All keys are different."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


def _new_key() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Keys:
    """One host's keys.

    `master` opens everything, `default` every function, `system` the extensions' webhooks.

    Raises ValueError if two keys are equal: one would then open what only the other should.
    """

    default: str = field(default_factory=_new_key, repr=False)
    master: str = field(default_factory=_new_key, repr=False)
    system: str = field(default_factory=_new_key, repr=False)
    functions: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        every = [self.default, self.master, self.system, *self.functions.values()]
        if len(set(every)) < len(every):
            raise ValueError(
                "two keys are the same: give the host key, the master key and the system key apart."
            )

    def allow(self, level: str, presented: str | None, function: str = "") -> bool:
        """Return whether a key permits access at this level.

        The level is anonymous, function, system or admin.
        """
        if level == "anonymous":
            return True
        accepted = [self.master]
        if level == "function":
            accepted += [self.default, self.functions.get(function, "")]
        if level == "system":
            accepted.append(self.system)
        return bool(presented) and any(key and _same(key, str(presented)) for key in accepted)


class LoadedKeys:
    """The keys that a running host has loaded; `open_at` is when it has those of extensions.

    Keys lie in the host's own storage. A host that cannot open it has none, so it refuses every call
    with a key (azure-functions-host, issue 11782). The keys of extensions come last: what Event Grid
    delivers before that is refused (issue 11834).
    """

    def __init__(
        self, keys: Keys, *, readable: bool, open_at: float, clock: Callable[[], float]
    ) -> None:
        self._keys, self._readable = keys, readable
        self._open_at, self._clock = open_at, clock

    def allow(self, level: str, presented: str | None, function: str = "") -> bool:
        """Return whether a key permits access at this level now."""
        if level == "system" and self._clock() < self._open_at:
            level = "admin"
        return (level == "anonymous" or self._readable) and self._keys.allow(
            level, presented, function
        )


def _same(key: str, presented: str) -> bool:
    return hmac.compare_digest(key.encode(), presented.encode())
