"""The policy document where it lives: a Key Vault secret, so that it is encrypted, access-controlled and versioned.

What cannot be followed never counts. While the newest version is wrong or cannot be read, the last
good one holds. A process
that has seen none yet looks for it behind versions that are wrong; behind one that is disabled or
cannot be read it never looks,
since an earlier one may grant more.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from opentelemetry import metrics

from engine.decide.history import PUSHED_BY, PUSHED_WHY
from engine.errors import NeedsHuman, RekeyError, TransientError
from engine.model.policy import Policy
from engine.model.policy_document import Document
from engine.policy.change import Effect, Outdated, Unfollowable, effect
from engine.policy.check import Kinds, check
from engine.ports import Clock
from engine.secret import Draft, SecretRef, SecretVersion, Sensitive

log = logging.getLogger("rekey.policy")
audit = logging.getLogger("rekey.audit")

FRESH_SECONDS = 300.0
"""How long a policy is used before its secret is read again, and how long work waits while none is
to be had."""
FAILED_SECONDS = 30.0
"""How long a failure is remembered where no policy is to be had, so that whoever asks again costs
the vault nothing."""
PATIENCE_SECONDS = 3.0
"""How long a reading may take while a policy is held."""
LOOK_BACK = 10
"""How many versions are tried where the newest cannot be followed."""
LIFE = timedelta(days=3650)
"""When a version expires. Rekey reads it all the same, but a vault can demand an expiry."""
CONTENT_TYPE = "application/yaml"
BY, WHY = PUSHED_BY, PUSHED_WHY


class Versions(Protocol):
    """What is needed of engine.ports.Vaults, and of who lists versions."""

    async def read(self, ref: SecretRef) -> SecretVersion:
        """Return the current version."""
        ...

    async def read_version(self, ref: SecretRef, version: str) -> SecretVersion:
        """Return one version."""
        ...

    def versions(self, ref: SecretRef) -> AsyncIterator[SecretVersion]:
        """Stream a secret's versions, without values."""
        ...

    def list(self, vault: str) -> AsyncIterator[SecretVersion]:
        """Stream the current version of every secret, without values."""
        ...

    async def publish(self, ref: SecretRef, draft: Draft) -> SecretVersion:
        """Write a new version."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    """A policy, and the version of its document."""

    policy: Policy
    version: str | None


class PolicyStore:
    """Reads, keeps and writes the policy document; see engine.model.policy.Policies.

    `deployed` is what the settings grant, with `own` set to the secret that holds the document.
    """

    def __init__(
        self, vaults: Versions, ref: SecretRef, deployed: Policy, kinds: Kinds, clock: Clock
    ) -> None:
        self.ref = ref
        self._vaults = vaults
        self._deployed = deployed
        self._kinds = kinds
        self._clock = clock
        self._held: _Held | None = None
        self._failure = TransientError("the policy document has not been read yet", where=str(ref))
        self._until = 0.0
        self._turn = asyncio.Lock()
        self._states = metrics.get_meter("rekey").create_counter(
            "rekey.policy", description="Readings of the policy document by state"
        )

    async def current(self) -> Policy:
        """Return the policy as it is now; TransientError while there is none that can be followed."""
        if self._held and self._turn.locked() and self._until > 0:
            # Somebody else is looking already: a vault that is slow keeps nobody waiting.
            return self._held.policy
        async with self._turn:
            if self._clock.monotonic() >= self._until:
                await self._renew()
            if self._held:
                return self._held.policy
            raise self._failure.with_traceback(None)

    def check(self, text: str) -> tuple[Document | None, tuple[str, ...]]:
        """Read a document's text; None and every problem where it cannot be followed."""
        return check(text, self._deployed, self._kinds)

    async def history(self) -> list[SecretVersion]:
        """List the document's versions, newest first, without their texts."""
        versions = [version async for version in self._vaults.versions(self.ref)]
        return sorted(versions, key=lambda version: version.created, reverse=True)

    async def text(self, version: str | None = None) -> str:
        """Return a version's text; None for the newest."""
        read = (
            self._vaults.read_version(self.ref, version) if version else self._vaults.read(self.ref)
        )
        return _text(await read)

    async def consider(self, text: str, replacing: str | None) -> Effect:
        """Tell what a document would do to every secret; raises as `push` does."""
        document = await self._pushable(text, replacing)
        try:
            now = await self.current()
        except TransientError:
            now = None
        return await effect(
            self._secrets(), now, self._deployed.under(document), self._kinds, self._clock.now()
        )

    async def push(self, text: str, *, by: str, why: str, replacing: str | None) -> SecretVersion:
        """Write a new version, if it can be followed and `replacing` (None: there is none) is still the newest, enabled or not.

        To roll back is to push the text of an earlier version. Key Vault compares nothing when it
        writes: of two pushes at the
        same time on two instances the later one counts. Raises Unfollowable or Outdated, nothing
        changed.
        """
        async with self._turn:
            await self._pushable(text, replacing)
            tags = {BY: by[:256], WHY: why[:256]}
            draft = Draft(Sensitive(text), self._clock.now() + LIFE, CONTENT_TYPE, tags)
            try:
                return await self._vaults.publish(self.ref, draft)
            finally:
                # Perhaps it was written although no answer came: what counts is read anew.
                self._until = 0.0

    async def _pushable(self, text: str, replacing: str | None) -> Document:
        document, problems = self.check(text)
        if document is None:
            raise Unfollowable(problems)
        newest = next((one.version for one in await self.history()), None)
        if newest != replacing:
            raise Outdated(
                "the policy document has changed meanwhile",
                where=str(self.ref),
                fix=f"compare with its newest version and replace that: {newest or 'there is none'}",
            )
        return document

    async def _secrets(self) -> AsyncIterator[SecretVersion]:
        for vault in self._deployed.scopes:
            async for secret in self._vaults.list(vault):
                yield secret

    async def _renew(self) -> None:
        """Look, and note until when what was found holds: a policy, or that there is none."""
        lasts = FRESH_SECONDS
        try:
            self._held = await self._look()
        except TransientError as error:
            self._failure, lasts = error, FAILED_SECONDS
        self._until = self._clock.monotonic() + lasts

    async def _look(self) -> _Held:
        """Read the document; where that fails keep what is held, and where nothing is held fail, or look behind what is wrong."""
        try:
            secret = await self._read()
            text = _text(secret)
        except RekeyError as error:
            self._report("unreadable", error)
            if self._held:
                return self._held
            raise self._none(error) from None
        if self._held and secret.version == self._held.version:
            self._report("ok")
            return self._held
        document, problems = self.check(text)
        if document:
            self._report("ok")
            return self._adopt(document, secret)
        fix = "correct it: rekey policy validate; or go back: rekey policy rollback"
        problem = Unfollowable(problems, where=f"{self.ref}/{secret.version}", fix=fix)
        self._report("invalid", problem)
        return self._held or await self._last_good(problem)

    async def _read(self) -> SecretVersion:
        """Read the newest version; TransientError where a policy is held and that takes more than a moment."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS if self._held else None):
                return await self._vaults.read(self.ref)
        except TimeoutError:
            raise TransientError("the vault is slow", where=str(self.ref)) from None

    async def _last_good(self, problem: RekeyError) -> _Held:
        """Find the newest earlier version that can be followed, for a process that has seen none yet."""
        try:
            for earlier in (await self.history())[:LOOK_BACK]:
                # A disabled one raises: what it said is unknown, and what is older may grant more.
                secret = await self._vaults.read_version(self.ref, str(earlier.version))
                document, _ = self.check(_text(secret))
                if document:
                    return self._adopt(document, secret)
        except RekeyError as error:
            problem = error
        raise self._none(problem) from None

    def _none(self, problem: RekeyError) -> TransientError:
        return TransientError(
            f"there is no policy that can be followed, and tags alone might break it: {problem.what}",
            where=str(self.ref),
            fix=problem.fix,
            retry_after=FRESH_SECONDS,
        )

    def _adopt(self, document: Document, secret: SecretVersion) -> _Held:
        old = self._held.version if self._held else None
        record: Mapping[str, str | None] = {
            "result": "policy adopted",
            "vault": self.ref.vault,
            "secret": self.ref.name,
            "old_version": old,
            "new_version": secret.version,
            "requested_by": secret.tags.get(BY),
            "reason": secret.tags.get(WHY),
        }
        audit.info("%s", json.dumps(record))
        return _Held(self._deployed.under(document), secret.version)

    def _report(self, state: str, problem: RekeyError | None = None) -> None:
        self._states.add(1, {"state": state})
        if problem:
            wrong = state == "invalid"
            without = "the last good version is looked for" if wrong else "nothing is rotated"
            held = "the last good policy holds" if self._held else without
            log.error("the policy is %s, so %s: %s", state, held, problem)


def _text(secret: SecretVersion) -> str:
    if secret.value is None:
        raise NeedsHuman(
            "the policy document is disabled",
            where=str(secret.ref),
            fix="push a version, or enable its current one",
        )
    return secret.value.reveal()
