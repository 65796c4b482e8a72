"""Microsoft.EventGrid: list system topics, and list a topic's event subscriptions.

The operations SystemTopics_ListBySubscription and SystemTopicEventSubscriptions_ListBySystemTopic,
https://learn.microsoft.com/rest/api/eventgrid/controlplane. Not simulated: operations that change
them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulator.arm import errors
from simulator.arm.paging import page
from simulator.arm.service import check_group, check_role
from simulator.keys.provider import KeysProvider
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from simulator.arm.request import ArmRequest
    from simulator.identity import Principal
    from simulator.world import World

TOPICS = "Microsoft.EventGrid/systemTopics"
API_VERSIONS = ("2022-06-15", "2025-02-15")
PATH = re.compile(r"systemTopics(/(?P<topic>[^/]+)/eventSubscriptions)?", re.IGNORECASE)
PAGE = 20


@dataclass
class EventSubscription:
    """Where the events of a topic go."""

    queue: str = "vault-events"
    state: str = "Succeeded"
    by_identity: bool = True
    account: str = ""
    """The id of the queue's storage account; none is shown if empty."""

    def body(self, topic: SystemTopic) -> dict[str, Any]:
        """Return the subscription as Resource Manager shows it."""
        queue = {"queueName": self.queue} | ({"resourceId": self.account} if self.account else {})
        destination = {"endpointType": "StorageQueue", "properties": queue}
        delivery = {"identity": {"type": "SystemAssigned"}, "destination": destination}
        where = (
            {"deliveryWithResourceIdentity": delivery}
            if self.by_identity
            else {"destination": destination}
        )
        name = f"{topic.resource_id}/eventSubscriptions/{self.queue}"
        return {
            "id": name,
            "name": self.queue,
            "properties": {"provisioningState": self.state, **where},
        }


@dataclass
class SystemTopic:
    """The system topic of one source."""

    resource_id: str
    source: str
    subscriptions: list[EventSubscription] = field(default_factory=lambda: [EventSubscription()])
    tags: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the topic as Resource Manager shows it."""
        properties = {
            "source": self.source,
            "topicType": "Microsoft.KeyVault.vaults",
            "provisioningState": "Succeeded",
        }
        name = self.resource_id.rpartition("/")[2]
        return {
            "id": self.resource_id,
            "name": name,
            "type": TOPICS,
            "tags": self.tags,
            "properties": properties,
        }


class EventGridProvider:
    """Answers for the world's system topics."""

    namespace = "Microsoft.EventGrid"

    def __init__(self, world: World) -> None:
        self._world = world
        self.topics: dict[str, SystemTopic] = {}
        self._keyed = KeysProvider(world, self.namespace)

    def add(self, resource_id: str, source: str) -> SystemTopic:
        """Add a topic with one subscription, which delivers to the app's queue."""
        topic = self.topics[resource_id.lower()] = SystemTopic(resource_id, source)
        return topic

    def api_versions(self, kind: str) -> tuple[str, ...]:
        """Return the versions for a type, oldest first."""
        return API_VERSIONS if kind.lower() == "systemtopics" else self._keyed.api_versions(kind)

    def rate(self, call: ArmRequest) -> str:
        """Return which rate a request counts against."""
        return self._keyed.rate(call)

    def handle(self, call: ArmRequest, principal: Principal) -> Response:
        """List system topics, or the subscriptions of one; topics with keys are elsewhere."""
        if call.kind.lower() != "systemtopics":
            return self._keyed.handle(call, principal)
        match = PATH.fullmatch(call.path)
        if match is None or call.request.method != "GET":
            raise errors.invalid_type(self.namespace, call.api_version)
        place = f"{call.group_scope}/providers/{self.namespace}/systemTopics"
        if match["topic"] is None:
            check_role(self._world, principal, f"{TOPICS}/read", call.group_scope)
            inside = call.group_scope.lower() + "/"
            rows = [topic.body() for key, topic in self.topics.items() if key.startswith(inside)]
            return self._page(call, rows)
        scope = f"{place}/{match['topic']}"
        check_role(self._world, principal, f"{TOPICS}/eventSubscriptions/read", scope)
        check_group(self._world, call)
        topic = self.topics.get(scope.lower())
        if topic is None:
            raise errors.resource_not_found(TOPICS, match["topic"], call.group)
        return self._page(call, [subscription.body(topic) for subscription in topic.subscriptions])

    def _page(self, call: ArmRequest, rows: list[dict[str, Any]]) -> Response:
        return json_response(200, page(call, self._world.domains.arm, rows, PAGE))
