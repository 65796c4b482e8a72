"""A secret with what its tags ask for: read once, however often it is decided from. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.contract import Rotator
from engine.model.listed import Listed
from engine.model.policy import Policy
from engine.model.tags import RETIRE, Malformed, Managed, parse, unretired
from engine.secret import SecretVersion

Kinds = Mapping[str, type[Rotator]]


@dataclass(frozen=True, slots=True)
class Tagged:
    """One version of a secret, without its value, and what its tags ask for under the policy.

    What is decided from it cannot depend on a value, nor carry one on.
    """

    held: SecretVersion
    """The version with its own tags."""
    applied: SecretVersion
    """The version with the tags that count under the policy."""
    asks: Managed | Malformed | None
    """None where no tag names a source."""

    @classmethod
    def of(cls, secret: SecretVersion, policy: Policy, kinds: Kinds) -> Tagged:
        """Read the tags of a secret."""
        if secret.value is not None:
            secret = replace(secret, value=None)
        applied = policy.applied(secret)
        named = "ProviderAddress" in applied.tags
        return cls(secret, applied, parse(applied.tags, policy, kinds) if named else None)

    @property
    def managed(self) -> Managed | None:
        """What the tags ask for, where they can be followed."""
        return self.asks if isinstance(self.asks, Managed) else None

    @classmethod
    def believed(
        cls, secret: SecretVersion, records: Sequence[Listed], policy: Policy, kinds: Kinds
    ) -> Tagged:
        """Read the tags, but believe the records where a tag claims a retirement.

        A secret without a record keeps that tag, which the worker judges under the lease.
        """
        if not records:
            return cls.of(secret, policy, kinds)
        read = cls.of(replace(secret, tags=unretired(secret.tags)), policy, kinds)
        known = [listed.pending for listed in records if listed.source == read.source]
        pending = next(filter(None, known), None)
        if read.managed is None or pending is None:
            return read
        claim = {RETIRE: str(pending)}
        applied = replace(read.applied, tags={**read.applied.tags, **claim})
        return cls(
            replace(read.held, tags={**read.held.tags, **claim}),
            applied,
            replace(read.managed, pending=pending, settings=applied.tags),
        )

    @property
    def source(self) -> str | None:
        """The source that the tags name; None where there is none."""
        return self.managed.source if self.managed else None
