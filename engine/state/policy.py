"""What holds for every secret: the bounds that no tag can move, and the policy document. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, Literal, Protocol

from engine.secret import SecretRef, Version

STANDARD = "standard"
"""The kind of webhook that takes signed events in the form of Standard Webhooks."""
SPANS = frozenset({"RotateBeforeDays", "OverlapHours"})
"""Tags whose defaults yield to a short life: see engine.state.tags.parse."""


@dataclass(frozen=True, slots=True)
class Match:
    """Secrets by vault (None for all) and by name.

    In the name `*` stands for any characters. Upper and lower case are the same.
    """

    vault: str | None
    secret: str

    @classmethod
    def of(cls, data: Mapping[str, str]) -> Match:
        """Read a match from the document's data."""
        return cls(vault_url(data["vault"]) if "vault" in data else None, data["secret"].lower())

    def covers(self, ref: SecretRef) -> bool:
        """Return whether the match covers a secret, or every name that a pattern stands for."""
        return self.vault in (None, ref.vault) and fnmatchcase(ref.name.lower(), self.secret)

    def holds(self, other: Match) -> bool:
        """Return whether this covers every secret that another match covers."""
        return self.covers(SecretRef(other.vault or "", other.secret))

    @property
    def exact(self) -> SecretRef | None:
        """The one secret that matches; None if several can."""
        return SecretRef(self.vault, self.secret) if self.vault and "*" not in self.secret else None


@dataclass(frozen=True, slots=True)
class Rule:
    """Settings, as tags, for the secrets that match."""

    match: Match
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to notify an owner (None for all); `secret`, in the document's vault, holds the URL."""

    owner: str | None
    kind: Literal["slack", "teams", "standard"]
    secret: str
    within: int | None = None
    """Only digests of what expires within so many days go there; None for all messages."""
    signing: str = ""
    """The secret, in the document's vault, with the key that signs events; empty for chats."""


@dataclass(frozen=True, slots=True)
class Consumers:
    """Resource ids of the apps that use the secrets that match."""

    match: Match
    resources: tuple[str, ...]
    grace: timedelta = timedelta()
    """How long a leaked credential lives on at most until these apps use the new value."""


@dataclass(frozen=True, slots=True)
class LeakRule:
    """What is done about reported leaks of the secrets that match. An empty part matches all."""

    acts: bool
    """They are cut off at once, without asking a person first."""
    match: Match | None = None
    kind: str = ""
    owner: str = ""
    feed: str = ""
    accepted: bool = False
    """Only where the source has just accepted the value."""

    def covers(self, other: LeakRule) -> bool:
        """Return whether this matches whatever another rule matches."""
        owners = (owner_key(self.owner), owner_key(other.owner))
        names = ((self.kind, other.kind), owners, (self.feed, other.feed))
        return (
            (self.match is None or (other.match is not None and self.match.holds(other.match)))
            and all(name in ("", others) for name, others in names)
            and self.accepted <= other.accepted
        )


@dataclass(frozen=True, slots=True)
class Leaks:
    """How reported leaks are dealt with. The secrets named here are in the document's vault."""

    key: str = ""
    """The secret whose versions are the keys of prints; empty for none."""
    trusted: frozenset[str] = frozenset()
    """The feeds whose reports act by themselves once the source has accepted the value."""
    rules: tuple[LeakRule, ...] = ()
    """The first that matches counts, before what is trusted."""
    webhook: str = ""
    """The secret with which GitHub signs its webhook; empty if it may not report."""
    token: str = ""
    """The secret with the token that reads GitHub's alerts, or with the private key of `app`."""
    app: str = ""
    """The client id of the GitHub App whose key that is; empty for a token."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Leaks:
        """Read them from the document's data."""
        github = data.get("github", {})
        return cls(
            data.get("keySecret", ""),
            frozenset(data.get("trusted", ())),
            tuple(
                LeakRule(
                    entry["action"] == "cut off",
                    Match.of(entry["match"]) if "match" in entry else None,
                    entry.get("rotator", ""),
                    entry.get("owner", ""),
                    entry.get("feed", ""),
                    entry.get("accepted", False),
                )
                for entry in data.get("rules", ())
            ),
            github.get("webhookSecret", ""),
            github.get("tokenSecret", ""),
            github.get("app", ""),
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A policy document."""

    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Vault URL → the ids (lower case) to which its secrets are narrowed.

    A vault that is not a key here is not narrowed.
    """
    defaults: Mapping[str, str] = field(default_factory=dict)
    may_override: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    consumers: tuple[Consumers, ...] = ()
    leaks: Leaks = Leaks()

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Document:
        """Read a document from data in the shape of engine.policy.schema."""
        return cls(
            {
                vault_url(vault): tuple(scope.rstrip("/").lower() for scope in bound["scopes"])
                for vault, bound in data.get("vaults", {}).items()
            },
            as_tags(data.get("defaults", {})),
            frozenset(map(tag, data.get("tagsMayOverride", ()))),
            tuple(Rule(Match.of(rule["match"]), as_tags(rule)) for rule in data.get("rules", ())),
            tuple(
                Webhook(
                    entry.get("owner"),
                    entry["kind"],
                    entry["webhookSecret"],
                    int(entry["withinDays"]) if "withinDays" in entry else None,
                    entry.get("signingSecret", ""),
                )
                for entry in data.get("notifications", ())
            ),
            tuple(
                Consumers(
                    Match.of(entry["match"]),
                    tuple(entry["resources"]),
                    timedelta(seconds=int(entry.get("graceSeconds", 0))),
                )
                for entry in data.get("consumers", ())
            ),
            Leaks.of(data.get("leaks", {})),
        )

    def rule_for(self, ref: SecretRef) -> Mapping[str, str]:
        """Return the settings of the first rule that matches; empty if none does."""
        return next((rule.settings for rule in self.rules if rule.match.covers(ref)), {})

    def tags_for(self, ref: SecretRef, own: Mapping[str, str]) -> dict[str, str]:
        """Return the tags that count: the document's, and the secret's own tags where it allows.

        CredentialId is state: the document knows only the first one, the tag knows the current
        one.
        """
        rule = self.rule_for(ref)
        settings = {**self.defaults, **rule}
        bound = {
            tag
            for tag in settings
            if tag not in own or tag not in self.may_override | {"CredentialId"}
        }
        kept = {tag: text for tag, text in own.items() if tag not in bound}
        return kept | {tag: settings[tag] for tag in bound if tag in rule or tag not in SPANS}

    def default_span(self, tag: str, unit: timedelta, otherwise: timedelta) -> timedelta:
        """Return the document's default for a span of time, or `otherwise` if it has none."""
        return int(self.defaults[tag]) * unit if tag in self.defaults else otherwise


NO_DOCUMENT = Document()
"""Stands for a document where there is none: it says nothing."""


def owner_key(name: str) -> str:
    """Return what owners are compared by: case and blanks around a name do not count."""
    return name.strip().casefold()


def vault_url(text: str) -> str:
    """Return a vault's URL in the spelling that settings and secrets use."""
    return text.rstrip("/").lower()


def tag(setting: str) -> str:
    """Return the tag that a setting stands for."""
    return setting[0].upper() + setting[1:]


def as_tags(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as the tags that they stand for."""
    return {
        tag(setting): _as_text(value) for setting, value in settings.items() if setting != "match"
    }


def _as_text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return ",".join(value)
        case int() | float():
            return str(int(value))
        case _:
            return str(value)


SCOPE = re.compile(
    r"/subscriptions/[^/\s]+(/[^/\s]+)*|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|/kinds/[a-z0-9-]+(/[^/\s]+)*"
)
"""An ARM id at least as narrow as a subscription, the id of an Entra application, or a source of a
kind of one's own: /kinds/<kind>, perhaps with a name below it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for every secret."""

    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Vault URL → the ids (lower case) within which its secrets may rotate sources.

    Rekey touches no vault that is not a key here.
    """
    rotate_before: timedelta = timedelta(days=30)
    """How long before expiry a secret is due. Key Vault sends its own event 30 days before, too."""
    overlap: timedelta = timedelta(hours=168)
    """How long a superseded credential keeps working."""
    deployment: str = ""
    """The name of this deployment, so that two deployments on one vault notice each other."""
    document: Document = NO_DOCUMENT
    own: SecretRef | None = None
    """The secret that holds the document. It is never managed itself."""

    async def current(self) -> Policy:
        """Return this policy, which no document can change."""
        return self

    def under(self, document: Document) -> Policy:
        """Return this policy under a document, which can narrow `scopes` but never widen them."""
        return replace(
            self,
            document=document,
            rotate_before=document.default_span(
                "RotateBeforeDays", timedelta(days=1), self.rotate_before
            ),
            overlap=document.default_span("OverlapHours", timedelta(hours=1), self.overlap),
        )

    def manages(self, vault: str) -> bool:
        """Return whether this deployment serves a vault."""
        return vault in self.scopes

    def allows(self, vault: str, source: str) -> bool:
        """Return whether secrets in this vault may rotate this source (canonical, lower case)."""
        narrowed = self.document.scopes.get(vault)
        return _inside(source, self.scopes.get(vault, ())) and (
            narrowed is None or _inside(source, narrowed)
        )

    @property
    def narrowed(self) -> str:
        """To what the document narrows vaults, as a text; empty if it narrows none."""
        return "".join(f"{vault}: {sorted(to)}\n" for vault, to in self.document.scopes.items())

    def applied[V: Version](self, secret: V) -> V:
        """Return the secret with the tags that count under the policy.

        Use it only to decide: what Rekey writes keeps the secret's own tags.
        """
        tags = self.document.tags_for(secret.ref, secret.tags)
        return secret if tags == secret.tags else replace(secret, tags=tags)

    def is_own(self, ref: SecretRef) -> bool:
        """Return whether this secret holds the policy document."""
        return self.own is not None and str(ref).lower() == str(self.own).lower()

    def webhooks(self, owner: str | None) -> tuple[Webhook, ...]:
        """Return this owner's webhooks, and those without an owner: they serve every secret.

        Upper and lower case are the same, as are blanks around a name.
        """
        name, hooks = owner_key(owner or ""), self.document.webhooks
        return tuple(hook for hook in hooks if hook.owner is None or owner_key(hook.owner) == name)

    def consumers(self, ref: SecretRef) -> tuple[str, ...]:
        """Return the resource ids of the apps that use a secret."""
        apps = (
            app
            for consumers in self.document.consumers
            if consumers.match.covers(ref)
            for app in consumers.resources
        )
        return tuple(dict.fromkeys(apps))

    def grace(self, ref: SecretRef) -> timedelta:
        """Return how long a leaked credential lives on at most until its apps use the new value."""
        entries = self.document.consumers
        spans = (entry.grace for entry in entries if entry.match.covers(ref))
        return max(spans, default=timedelta())


class Policies(Protocol):
    """Where the policy comes from."""

    async def current(self) -> Policy:
        """Return the current policy.

        Raises TransientError while no valid version exists, because tags alone might break it.
        """
        ...


def _inside(source: str, scopes: tuple[str, ...]) -> bool:
    return any(source == scope or source.startswith(scope + "/") for scope in scopes)
