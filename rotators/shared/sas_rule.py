"""Shared access rules of Service Bus, Event Hubs, Relay and Notification Hubs.

They are rules of a namespace or of one entity in it.

The service says 40103 or InvalidSignature of a wrong key, and refuses a good one that may not read
what is asked for in other words. Sources:
https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas and
https://github.com/Azure/azure-sdk-for-ruby/issues/2357. Nothing is ever sent to a queue or received
from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, ClassVar

from cloud.azure import Azure
from cloud.rest.client import Json
from cloud.rest.data_plane import Answer, Signed
from engine.errors import NeedsHuman
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.key_facts import Facts, KeyPlace, Keys, Pair, Slot, text_of
from rotators.shared.key_proof import ProvenByRequest
from rotators.shared.key_signing import sas_token

RULE_KEYS = Pair(
    Slot("primaryKey", "PrimaryKey", ("Primary", "primary")),
    Slot("secondaryKey", "SecondaryKey", ("Secondary", "secondary")),
)
RULE_SHAPE = re.compile(r"[A-Za-z0-9+/=]{43,88}")
WRONG = re.compile(r"40103|invalid ?signature|invalid authorization token signature", re.IGNORECASE)
"""What the service says of a token that another key signed."""
LIST = re.compile(r"<feed\b")
"""What nobody has to sign for; source:
https://learn.microsoft.com/rest/api/servicebus/entities-discovery."""
NAMESPACE_RULE = 2
"""So many names has the id of a rule of the whole namespace."""


def rule_facts(noun: str, *types: str, version: str = "2024-01-01", **others: Any) -> Facts:
    """Return the facts of the rules of one service; `types` are those of the namespace first.

    `others` are facts in which it differs from Service Bus.
    """
    common = Facts(
        noun=noun,
        types=types,
        version=version,
        replaces="regenerateKeys",
        names_it="keyType",
        pairs=(RULE_KEYS,),
        shape=RULE_SHAPE,
        host="{name}.servicebus.windows.net",
        address="serviceBusEndpoint",
        parts={types[0].rpartition("/")[0].lower(): "authorizationRules"},
    )
    return replace(common, **others)


class SasRule(ProvenByRequest):
    """Rotates the keys of a shared access rule."""

    template_fields: ClassVar[frozenset[str]] = frozenset({"entity", "host", "key", "name", "rule"})
    unknown_fix: ClassVar[str] = (
        "name the rule in ProviderAddress that the value is from (a namespace and each of its "
        "entities have rules of their "
        "own), or set the tag CredentialId to the key that consumers hold"
    )

    def __init__(self, azure: Azure, clock: Clock) -> None:
        super().__init__(azure, clock)
        self._rules: dict[str, str] = {}

    def keys(self, answer: Json, place: KeyPlace) -> Keys:
        """Read both keys, and the rule's name as it is spelt."""
        self._rules[place.source] = text_of(answer, "keyName") or place.names[-1]
        return super().keys(answer, place)

    async def fields(
        self, place: KeyPlace, slot: Slot, key: Sensitive, options: Mapping[str, str]
    ) -> dict[str, Sensitive]:
        """Return what a connection string holds.

        NeedsHuman where it names an entity that the rule does not have.
        """
        entity = entity_of(place)
        if not entity and "{entity}" in options.get("ValueTemplate", ""):
            raise NeedsHuman(
                "the rule is one of the whole namespace, so {entity} has no value",
                where=place.source,
                fix=(
                    "name the rule of that queue, topic or hub in ProviderAddress, or write "
                    "its name into ValueTemplate"
                ),
            )
        common = await super().fields(place, slot, key, options)
        own = {"entity": Sensitive(entity), "rule": Sensitive(await self.rule(place))}
        return common | {name: own[name] for name in own if name in self.template_fields}

    async def host(self, place: KeyPlace) -> str:
        """Return the host of the namespace."""
        return await self._source.host(place)

    async def signed(self, place: KeyPlace, host: str, key: str) -> Signed:
        """Ask for the description of what the rule belongs to."""
        target = f"https://{host}/{entity_of(place) or '$namespaceinfo'}"
        token = sas_token(target, await self.rule(place), key, self._clock.now())
        return Signed(f"{target}?api-version=2021-05", {"Authorization": token})

    def proves(self, answer: Answer) -> bool:
        """Return whether the service describes something; who may list it proves nothing."""
        return answer.is_success and not lists(answer)

    def refuses(self, answer: Answer) -> bool:
        """Return whether the signature was wrong.

        A rule that may only send is refused otherwise.
        """
        return answer.status == HTTPStatus.UNAUTHORIZED and bool(WRONG.search(answer.text))

    async def rule(self, place: KeyPlace) -> str:
        """Return the rule's name as it is spelt."""
        if place.source not in self._rules:
            await self.listed(place)
        return self._rules[place.source]


def lists(answer: Answer) -> bool:
    """Return whether the service lists what is there, as it does for a name that nothing has."""
    return bool(LIST.search(answer.text))


def entity_of(place: KeyPlace) -> str:
    """Return the queue's, topic's or hub's name; a slash in it is a tilde in its id."""
    return place.names[1].replace("~", "/") if len(place.names) > NAMESPACE_RULE else ""
