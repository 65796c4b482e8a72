"""Shared access signatures of Service Bus and Event Hubs, made from the key of a rule.

One permits what its rule permits, for the queue, topic or hub of the rule, or for one of the
namespace that the address names. Source:
https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas#generate-a-shared-access-signature-token.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar
from urllib.parse import quote, unquote

from cloud.azure import Azure
from cloud.rest.data_plane import Answer, Signed
from engine.contract import Parent
from engine.errors import NeedsHuman, RekeyError
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.derived_signature import DerivedSignature
from rotators.shared.key_facts import KeyPlace
from rotators.shared.key_signing import rule_signature, sas_until, split
from rotators.shared.sas_rule import SasRule, entity_of, lists

ADDRESS = re.compile(
    r"(?P<rule>/subscriptions/.+?/authorizationrules/[^/]+)/sas(?:/(?P<entity>[a-z0-9._/-]+))?",
    re.IGNORECASE,
)
SCHEME = "SharedAccessSignature "
FIELDS = frozenset({"sr", "sig", "se", "skn"})
EXPIRES = re.compile(r"[0-9]{1,11}")


@dataclass(frozen=True, slots=True)
class Reach:
    """Which rule signs, and for what."""

    place: KeyPlace
    entity: str
    """The queue, topic or hub, in lower case; empty for the whole namespace."""


class RuleSas(DerivedSignature):
    """Makes signatures of a rule. A kind names the rotator of the rule's keys."""

    template_fields: ClassVar[frozenset[str]] = frozenset({"host", "sas"})
    rules: ClassVar[type[SasRule]]

    def __init__(self, azure: Azure, clock: Clock) -> None:
        super().__init__(azure, clock)
        self._keys = self.rules(azure, clock)

    @classmethod
    def resource_types(cls) -> tuple[str, ...]:
        """Return the types of the namespaces."""
        return cls.rules.facts.tops

    @classmethod
    def canonical(cls, address: str, tags: Mapping[str, str]) -> str | None:
        """Return the rule's id in lower case, `/sas`, and the entity if the address names one."""
        del tags
        match = ADDRESS.fullmatch(address.strip().rstrip("/"))
        rule = cls.rules.canonical(match["rule"], {}) if match else None
        if match is None or rule is None:
            return None
        entity = (match["entity"] or "").strip("/").lower()
        if entity and entity_of(cls.rules.facts.place(rule)):
            return None
        return f"{rule}/sas/{entity}" if entity else f"{rule}/sas"

    @staticmethod
    def made_at(source: str) -> str:
        """Return the id of the rule, whose key signs."""
        match = ADDRESS.fullmatch(source)
        return match["rule"] if match else ""

    @classmethod
    def is_made_from(cls, source: str, credential: Sensitive, key: Sensitive) -> bool:
        """Return whether this key of the rule made the signature, for exactly this entity."""
        fields = _fields(cls._reach(source), credential)
        return fields is not None and _is_made(fields, key)

    @classmethod
    def signer(cls, text: str) -> str | None:
        """Return the namespace that a signature is for."""
        fields = _parsed(text)
        if fields.keys() != FIELDS:
            return None
        return split(unquote(fields["sr"])).netloc.partition(".")[0].lower()

    @classmethod
    def is_signed_by(cls, text: str, source: str, key: Sensitive) -> bool:
        """Return whether this key of the rule made a signature, whatever that is for."""
        fields = _parsed(text)
        if fields.keys() != FIELDS or unquote(fields["skn"]).lower() != source.rpartition("/")[2]:
            return False
        return _is_made(fields, key)

    async def sign(self, source: str, parent: Parent, ends: datetime) -> Sensitive:
        """Sign for the entity, or for the whole namespace."""
        reach = self._reach(source)
        target = f"https://{await self._keys.host(reach.place)}/{reach.entity}"
        rule = await self._keys.rule(reach.place)
        return Sensitive(sas_until(target.rstrip("/"), rule, parent.key.reveal(), ends))

    async def fields(self, source: str) -> dict[str, Sensitive]:
        """Return the host of the namespace."""
        return {"host": Sensitive(await self._keys.host(self._reach(source).place))}

    def end_of(self, source: str, credential: Sensitive) -> datetime | None:
        """Read when a signature ends, if it is one of this rule for exactly this entity."""
        fields = _fields(self._reach(source), credential)
        return datetime.fromtimestamp(int(fields["se"]), UTC) if fields else None

    def is_bare(self, text: str) -> bool:
        """Return whether a text is a bare signature."""
        return _parsed(text).keys() == FIELDS

    async def ask(self, source: str, credential: Sensitive) -> Answer:
        """Ask for the description of what the signature is for."""
        reach = self._reach(source)
        host = await self._keys.host(reach.place)
        url = f"https://{host}/{reach.entity or '$namespaceinfo'}?api-version=2021-05"
        signed = Signed(url, {"Authorization": credential.reveal()})
        return await self._plane.send(signed, reach.place.source)

    def forged(self, source: str, credential: Sensitive, nobodys: str) -> Sensitive:
        """Return the same with another signature."""
        del source
        fields = {**_parsed(credential.reveal()), "sig": quote(nobodys, safe="")}
        return Sensitive(SCHEME + "&".join(f"{name}={text}" for name, text in fields.items()))

    def proves(self, answer: Answer) -> bool:
        """Return whether the service describes what the signature is for."""
        return self._keys.proves(answer)

    def refuses(self, answer: Answer) -> bool:
        """Return whether the service does not know the signature."""
        return self._keys.refuses(answer)

    def unproven(self, answer: Answer, source: str) -> RekeyError:
        """Return why no signature can be proven."""
        if "LocalAuthDisabled" in answer.text:
            return NeedsHuman(
                "the namespace accepts no keys (disableLocalAuth is on)",
                where=source,
                fix="remove the secret, or switch keys on",
            )
        if lists(answer):
            return NeedsHuman(
                f"the namespace has no {self._reach(source).entity}",
                where=source,
                fix="correct ProviderAddress, or create the queue, topic or hub",
            )
        return NeedsHuman(
            f"the namespace answers {answer.status} to any signature",
            where=source,
            fix="let the app's network reach the namespace",
        )

    @classmethod
    def _reach(cls, source: str) -> Reach:
        match = ADDRESS.fullmatch(source)
        place = cls.rules.facts.place(match["rule"] if match else source)
        return Reach(place, (match and match["entity"]) or entity_of(place).lower())


def _parsed(text: str) -> dict[str, str]:
    """Return the fields of a signature as they are written; empty if it is none."""
    if not text.startswith(SCHEME):
        return {}
    pairs = [part.partition("=") for part in text.removeprefix(SCHEME).split("&")]
    fields = {name: value for name, _, value in pairs}
    return fields if len(fields) == len(pairs) else {}


def _is_made(fields: Mapping[str, str], key: Sensitive) -> bool:
    """Return whether this key made the signature that the fields hold."""
    expected = rule_signature(fields["sr"], fields["se"], key.reveal())
    return hmac.compare_digest(expected.encode(), unquote(fields["sig"]).encode())


def _fields(reach: Reach, credential: Sensitive) -> dict[str, str] | None:
    """Return the fields of a signature; None if it is none of this rule for this entity."""
    fields = _parsed(credential.reveal())
    if fields.keys() != FIELDS or not EXPIRES.fullmatch(fields["se"]):
        return None
    target = split(unquote(fields["sr"]).lower())
    host, entity = target.netloc.partition(".")[0], target.path.strip("/")
    rule = reach.place.names[-1]
    fits = (host, entity) == (reach.place.name, reach.entity)
    return fields if fits and unquote(fields["skn"]).lower() == rule else None
