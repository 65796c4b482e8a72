"""The policy document is a Key Vault secret, so it is encrypted, access-controlled and versioned.

An invalid version never takes effect. While the newest version is invalid or cannot be read, the
last valid one stays in force. A process that has not seen a valid version yet looks for one among
earlier versions, past invalid ones. It stops at a version that is disabled or cannot be read, since
an earlier version may grant more.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from opentelemetry import metrics

from engine.errors import AccessDenied, NeedsHuman, RekeyError, TransientError
from engine.kinds import Kinds
from engine.parts import DISABLED
from engine.policy.change import Effect, Outdated, Unfollowable, effect
from engine.policy.check import check
from engine.ports import Clock
from engine.secret import Draft, SecretRef, SecretVersion, Sensitive, Version
from engine.state.history import PUSHED_BY, PUSHED_WHY
from engine.state.policy import Document, Policy

log = logging.getLogger("rekey.policy")
audit = logging.getLogger("rekey.audit")

FRESH_SECONDS = 300.0
"""How long a policy is used before its secret is read again. Work waits this long if none
exists."""
FAILED_SECONDS = 30.0
"""How long a failure to get any policy is remembered, so that repeated requests spare the vault."""
PATIENCE_SECONDS = 3.0
"""The longest that a read may take while an earlier policy is in memory."""
LOOK_BACK = 10
"""How many versions are tried when the newest is invalid."""
LIFE = timedelta(days=3650)
"""The lifetime of the first version, and the longest of a further one; see `_life`."""
CONTENT_TYPE = "application/yaml"
BY, WHY = PUSHED_BY, PUSHED_WHY
WAY_OUT = (
    "correct it (rekey policy validate FILE), or go back (rekey policy history, then rekey policy "
    "rollback VERSION --reason TEXT), or see that REKEY_POLICY names the right secret"
)
"""What to do about a document that cannot be followed."""


class Ungoverned(TransientError):  # noqa: N818 - the name says what is the case
    """No valid version of the policy is known, so nothing is rotated; `cause` says why."""

    def __init__(self, cause: RekeyError, where: str) -> None:
        self.cause = cause
        super().__init__(
            f"no valid version of the policy is available, so nothing is rotated: {cause.what}",
            where=where,
            fix=cause.fix,
            retry_after=FRESH_SECONDS,
        )


class Versions(Protocol):
    """The part of engine.ports.Vaults that is needed here, and the listing of versions."""

    async def read(self, ref: SecretRef) -> SecretVersion:
        """Return the current version."""
        ...

    async def read_version(self, ref: SecretRef, version: str) -> SecretVersion:
        """Return one version."""
        ...

    def versions(self, ref: SecretRef) -> AsyncIterator[Version]:
        """Stream a secret's versions, without values."""
        ...

    def list(self, vault: str) -> AsyncIterator[Version]:
        """Stream the current version of every secret, without values."""
        ...

    async def publish(self, ref: SecretRef, draft: Draft) -> SecretVersion:
        """Write a new version."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    """A policy and its document."""

    policy: Policy
    document: Version
    """The version, without its text."""


class PolicyStore:
    """Reads, keeps and writes the policy document; see engine.state.policy.Policies.

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
        """Return the current policy; raises TransientError while no valid version exists."""
        if self._held and self._turn.locked() and self._until > 0:
            # Another task is reading it already. A slow vault must not delay this one.
            return self._held.policy
        async with self._turn:
            if self._clock.monotonic() >= self._until:
                await self._renew()
            if self._held:
                return self._held.policy
            raise self._failure.with_traceback(None)

    @property
    def followed(self) -> Version | None:
        """The version of the document that this process follows, without its text."""
        return self._held.document if self._held else None

    def check(self, text: str) -> tuple[Document | None, tuple[str, ...]]:
        """Return the document that a text holds, or None and every problem if it is invalid."""
        return check(text, self._deployed, self._kinds)

    async def history(self) -> list[Version]:
        """List the document's versions, newest first, without their texts."""
        versions = [version async for version in self._vaults.versions(self.ref)]
        versions.sort(key=lambda version: version.created, reverse=True)
        if len({version.created for version in versions[:2]}) < len(versions[:2]):
            # A vault keeps whole seconds, and lists in no order: a read tells which is current.
            current = (await self._vaults.read(self.ref)).version
            versions.sort(key=lambda version: version.version != current)
        return versions

    async def text(self, version: str | None = None) -> str:
        """Return the text of a version, or of the newest one for None.

        Raises Unfollowable for what is neither valid nor marked: perhaps another secret's value.
        """
        secret = await (self._earlier(version) if version else self._vaults.read(self.ref))
        document, problems = self.check(text := _text(secret))
        if document is None and not _is_marked(secret):
            raise self._unfollowable(problems, secret)
        return text

    def _unfollowable(self, problems: Sequence[str], secret: Version) -> Unfollowable:
        return Unfollowable(problems, where=f"{self.ref}/{secret.version}", fix=WAY_OUT)

    async def _earlier(self, version: str) -> SecretVersion:
        """Return one version; raises NeedsHuman if it is disabled."""
        try:
            return await self._vaults.read_version(self.ref, version)
        except AccessDenied as error:
            if error.code != DISABLED:
                raise
            what, where = "this version of the policy document is disabled", f"{self.ref}/{version}"
            fix = "enable it, or push a version that can be followed"
            raise NeedsHuman(what, where=where, fix=fix) from None

    async def consider(self, text: str, replacing: str | None) -> Effect:
        """Return what a document would change for every secret; raises the errors of `push`."""
        document, _ = await self._pushable(text, replacing)
        try:
            now = await self.current()
        except TransientError:
            now = None
        return await effect(
            self._secrets(), now, self._deployed.under(document), self._kinds, self._clock.now()
        )

    async def push(
        self,
        text: str,
        *,
        by: str,
        why: str,
        replacing: str | None,
        before: Callable[[], None] = lambda: None,
    ) -> SecretVersion:
        """Write a new version if its text is valid and `replacing` is still the newest version.

        `before` is called once that is so, right before the version is written.

        `replacing` is None if the document has no version yet; a disabled version counts as the
        newest too. To roll back, push the text of an earlier version. Key Vault does not compare
        versions when it writes, so the later of two simultaneous pushes on two instances wins.
        Raises Unfollowable, NeedsHuman (the secret holds no policy document) or Outdated before
        anything is written.
        """
        async with self._turn:
            _, newest = await self._pushable(text, replacing)
            before()
            tags = {BY: by[:256], WHY: why[:256]}
            expires = self._clock.now() + _life(newest)
            draft = Draft(Sensitive(text), expires, CONTENT_TYPE, tags)
            try:
                return await self._vaults.publish(self.ref, draft)
            finally:
                # It may have been written although no answer came, so the next call reads again.
                self._until = 0.0

    async def _pushable(self, text: str, replacing: str | None) -> tuple[Document, Version | None]:
        document, problems = self.check(text)
        if document is None:
            raise Unfollowable(problems)
        versions = await self.history()
        await self._refuse_foreign(versions)
        newest = next(iter(versions), None)
        current = newest.version if newest else None
        if current != replacing:
            raise Outdated(
                "the policy document has changed in the meantime",
                where=str(self.ref),
                fix=(
                    "compare with its newest version and replace that: "
                    f"{current or 'there is none'}"
                ),
            )
        return document, newest

    async def _refuse_foreign(self, versions: Sequence[Version]) -> None:
        """Raise NeedsHuman if there are versions to read, and none of them is a policy document.

        REKEY_POLICY may name the wrong secret. A broken document is marked, or has a good version
        behind it.
        """
        readable = [version for version in versions if version.enabled]
        if not readable or any(map(_is_marked, versions)):
            return
        for version in readable[:LOOK_BACK]:
            with suppress(Unfollowable):
                await self.text(version.version)
                return
        raise NeedsHuman(
            "this secret holds no policy document, so it is not replaced",
            where=str(self.ref),
            fix=f"have REKEY_POLICY name another one, or give this one the type {CONTENT_TYPE}",
        )

    async def _secrets(self) -> AsyncIterator[Version]:
        for vault in self._deployed.scopes:
            async for secret in self._vaults.list(vault):
                yield secret

    async def _renew(self) -> None:
        """Read the document, and set how long the policy, or the failure to get one, is kept."""
        lasts = FRESH_SECONDS
        try:
            self._held = await self._look()
        except TransientError as error:
            self._failure, lasts = error, FAILED_SECONDS
        self._until = self._clock.monotonic() + lasts

    async def _look(self) -> _Held:
        """Return the policy to use now.

        If the document cannot be read, the policy in memory stays; without one this raises. If the
        newest version is invalid, the policy in memory stays, else the last valid version is used.
        """
        try:
            secret = await self._read()
            text = _text(secret)
        except RekeyError as error:
            self._report("unreadable", error)
            if self._held:
                return self._held
            raise Ungoverned(error, str(self.ref)) from None
        if self._held and secret.version == self._held.document.version:
            self._report("ok")
            return self._held
        document, problems = self.check(text)
        if document:
            self._report("ok")
            return self._adopt(document, secret)
        problem = self._unfollowable(problems, secret)
        self._report("invalid", problem)
        return self._held or await self._last_good(problem)

    async def _read(self) -> SecretVersion:
        """Read the newest version; if a policy is in memory, a slow vault is a TransientError."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS if self._held else None):
                return await self._vaults.read(self.ref)
        except TimeoutError:
            raise TransientError(
                f"the policy document could not be read within {PATIENCE_SECONDS:.0f} s",
                where=str(self.ref),
            ) from None

    async def _last_good(self, problem: RekeyError) -> _Held:
        """Return the newest valid version, for a process that has not seen one yet."""
        try:
            for earlier in (await self.history())[:LOOK_BACK]:
                # A disabled version raises: its text is unknown, and an older one may grant more.
                secret = await self._earlier(str(earlier.version))
                document, _ = self.check(_text(secret))
                if document:
                    return self._adopt(document, secret)
        except RekeyError as error:
            problem = error
        raise Ungoverned(problem, str(self.ref)) from None

    def _adopt(self, document: Document, secret: SecretVersion) -> _Held:
        old = self._held.document.version if self._held else None
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
        return _Held(self._deployed.under(document), secret.bare)

    def _report(self, state: str, problem: RekeyError | None = None) -> None:
        self._states.add(1, {"state": state})
        if problem:
            wrong = state == "invalid"
            without = "Rekey looks for the last good version" if wrong else "nothing is rotated"
            held = "the last good version stays in force" if self._held else without
            log.error("the policy is %s, so %s: %s", state, held, problem)


def _life(replaced: Version | None) -> timedelta:
    """Return how long a version lives: as long as the one that it replaces, if that says so.

    A vault may require an expiry, or refuse one that is far off. So whoever wrote that one by hand
    has decided. Rekey reads expired versions, too.
    """
    if replaced is None or replaced.expires is None:
        return LIFE
    life = replaced.expires - replaced.created
    return min(life, LIFE) if life > timedelta() else LIFE


def _is_marked(version: Version) -> bool:
    """Return whether a version says that it is a policy document, by who pushed it or its type."""
    return BY in version.tags or version.content_type == CONTENT_TYPE


def _text(secret: SecretVersion) -> str:
    if secret.value is None:
        raise NeedsHuman(
            "the policy document is disabled",
            where=str(secret.ref),
            fix="push a version, or enable its current one",
        )
    return secret.value.reveal()
