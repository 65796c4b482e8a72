"""What of a world has changed since that was said last, in the words of docs/history.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.secret import SecretRef, SecretVersion
from engine.state.record import parts_of
from tests.proof.leaks import leak
from tests.proof.sources import MARK, Many, Signatures, Slots, credential_in
from tests.proof.terms import owner_tags, seconds, terms_of

if TYPE_CHECKING:
    from tests.proof.world import World

VALUE = re.compile(rf"{re.escape(MARK)}(\w+)!")
SECOND = "second:"
"""How the locks of a second deployment begin."""
type Change = dict[str, Any]


def bare(credential: str) -> str | None:
    """Return the id of a credential; None where the model knows none."""
    return credential.strip("!") or None


def named(ref: SecretRef) -> str:
    """Return a secret's name with its vault's."""
    return f"{short(ref.vault)}/{ref.name}"


def short(vault: str) -> str:
    """Return the first label of a vault's host."""
    return vault.removeprefix("https://").partition(".")[0]


def shows(world: World, *texts: str) -> bool:
    """Return whether a text holds a value, or something of which one could be guessed."""
    return leak(texts, (f"{MARK}{number}!" for number in range(world.mint.made))) is not None


def without_values(text: str) -> str:
    """Return a text with the id of each credential in place of its value."""
    return VALUE.sub(r"<\1>", text)


@dataclass
class Differences:
    """Compares a world with what was said of it last."""

    world: World
    known: dict[Any, Any] = field(default_factory=dict)
    holders: dict[int, int] = field(default_factory=dict)
    """Which process each lease was given to."""

    def now(self, process: int | None) -> list[Change]:
        """Return each change; `process` is whose call has made it, None where nobody's has."""
        parts = (
            self._sources(),
            self._secrets(),
            self._terms(),
            self._locks(process),
            self._bound(),
            self._noted(),
            self._memory(by_call=process is not None),
        )
        return [change for part in parts for change in part]

    def is_new(self, key: Any, now: Any) -> bool:
        """Return whether this is not what was said last, and take note of it."""
        if key in self.known and self.known[key] == now:
            return False
        self.known[key] = now
        return True

    def _sources(self) -> Iterator[Change]:
        for name, source in self.world.sources.items():
            now, before = _accepted(source), self.known.get(("source", name))
            self.known["source", name] = now
            if before is None:
                yield {"source": name, "holds": _holds(name, source), **self._keys(source)}
            old = before or {}
            yield from ({"source": name, "drops": bare(it)} for it in sorted({*old} - {*now}))
            for held in [held for held in now if held not in old]:
                yield {"source": name, "takes": bare(held), "in": now[held]}
            lasting = source.lasting if isinstance(source, Slots) else None
            mine = bool(lasting and lasting.change and lasting.change.slots is source)
            if (mine or ("changing", name) in self.known) and self.is_new(("changing", name), mine):
                yield {"source": name, "changing": mine}

    def _keys(self, source: Any) -> Mapping[str, str]:
        others = self.world.sources.items()
        mine = [name for name, it in others if isinstance(source, Signatures) and it is source.keys]
        return {"keys": mine[0]} if mine else {}

    def _secrets(self) -> Iterator[Change]:
        gone = self.world.purged - self.known.get("purged", set())
        for secret in sorted({self.known["version", it][0] for it in gone if self._is_known(it)}):
            yield {"secret": secret, "purged": True}
        self.known["purged"] = set(self.world.purged)
        for held, deleted in ((self.world.vault, False), (self.world.deleted, True)):
            for ref, versions in held.items():
                for version in versions:
                    yield from self._version(version)
                if self.is_new(("deleted", ref), deleted):
                    yield {"secret": named(ref), "deleted": deleted}

    def _is_known(self, version: str) -> bool:
        return ("version", version) in self.known

    def _version(self, version: SecretVersion) -> Iterator[Change]:
        if not self.is_new(("version", version.version), (named(version.ref), version)):
            return
        shown = {
            "secret": named(version.ref),
            "version": version.version,
            "credential": bare(credential_in(version.value.reveal() if version.value else "")),
            "enabled": version.enabled,
            "expires": seconds(version.expires),
            "type": version.content_type,
            "tags": {tag: without_values(text) for tag, text in owner_tags(version).items()},
            "mark": _mark(version.tags.get("RekeyState", "")),
            "shows": shows(self.world, *version.tags.values()) or None,
        }
        yield {name: it for name, it in shown.items() if it is not None}

    def _terms(self) -> Iterator[Change]:
        for ref, versions in self.world.vault.items():
            terms = terms_of(self.world, versions[-1], named)
            if self.is_new(("terms", ref), terms):
                yield {"secret": named(ref), "terms": terms}

    def _locks(self, process: int | None) -> Iterator[Change]:
        """Yield the locks that have passed to another process, or were let go."""
        if self.world.down.get("storage", 0.0) > self.world.kernel.time():
            # Nobody can take one meanwhile.
            return
        stores = (("", self.world.claims), (SECOND, self.world.far))
        now = {
            f"{prefix}{part}": (claim.holder, claim.until)
            for prefix, claims in stores
            for part, claim in claims.items()
        }
        before, free = self.known.get("locks", {}), (0, 0.0)
        self.known["locks"] = now
        for lock in sorted({*now, *before}):
            lease, until = now.get(lock, free)
            if lease and process is not None:
                self.holders.setdefault(lease, process)
            if (lease, until) != before.get(lock, free):
                yield {"lock": lock, "holder": self.holders.get(lease), "until": until}

    def _bound(self) -> Iterator[Change]:
        document = self.world.document
        for deployment in self.world.deployments:
            for vault, scopes in self.world.policy(deployment).scopes.items():
                narrowed = document.scopes.get(vault) if document else None
                lists = [scopes, scopes if narrowed is None else narrowed]
                names = [it for it in self.world.sources if all(_within(it, at) for at in lists)]
                if self.is_new(("bound", deployment, vault), sorted(names)):
                    yield {"vault": short(vault), "by": deployment, "bound": sorted(names)}

    def _noted(self) -> Iterator[Change]:
        """Yield the versions of which the rotator has come to know that they have leaked."""
        for claim in self.world.claims.values():
            for version in (*claim.record.compromised.versions, *claim.record.compromised.revoked):
                if self.is_new(("noted", version), True):
                    yield {"noted": version}

    def _memory(self, *, by_call: bool) -> Iterator[Change]:
        """Yield whose records have changed in another way than by a call."""
        before = self.known.get("memory", {})
        now = self.known["memory"] = {
            (far, part): claim.record
            for far, claims in enumerate((self.world.claims, self.world.far))
            for part, claim in claims.items()
        }
        changed = {key[1] for key, record in before.items() if now.get(key) is not record}
        mine = [it for it in self.world.sources if changed & set(parts_of(it))]
        yield from () if by_call else ({"memory": name} for name in mine)


def _within(name: str, scopes: Sequence[str]) -> bool:
    return any(name == scope or name.startswith(f"{scope}/") for scope in scopes)


def _mark(state: str) -> str | None:
    word = state.partition(" ")[0]
    return {"compromised": "leaked"}.get(word, "needs a person") if word else None


def _holds(name: str, source: Any) -> str:
    if isinstance(source, Signatures):
        return "signatures"
    if isinstance(source, Many):
        return "any number"
    return (
        "one"
        if name.startswith(("/one-slot/", "/one-slow/", "/one-login/", "/one-doubtful/"))
        else "two"
    )


def _accepted(source: Any) -> dict[str, str]:
    if isinstance(source, Many):
        return {entry.secret: key for key, entry in source.entries.items()}
    return {held: slot for slot, held in source.held.items()} if isinstance(source, Slots) else {}
