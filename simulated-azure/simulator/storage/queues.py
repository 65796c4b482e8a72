"""The queue service: queues and their messages.

https://learn.microsoft.com/rest/api/storageservices/queue-service-rest-api

Not simulated: setting service properties, access policies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.storage.queue_messages import MessageOperations
from simulator.storage.queue_store import Queues
from simulator.storage.service import Call, Route, StorageService, listing
from simulator.storage.wire import XML, document, element, metadata_headers, metadata_of, text
from simulator.wire import Response

if TYPE_CHECKING:
    from simulator.world import World

QUEUES = "Microsoft.Storage/storageAccounts/queueServices/queues"


class QueueService(StorageService):
    """The queue service of every storage account in the world."""

    server = "Windows-Azure-Queue"
    provider = "queueServices/queues"

    def __init__(self, world: World) -> None:
        super().__init__(world, world.domains.queue)
        self.queues = Queues()
        messages = MessageOperations(self.queues, world.entropy)
        self._service = {("GET", "list"): Route(self._list, (f"{QUEUES}/read",))}
        self._queue = {
            ("PUT", ""): Route(self._create, (f"{QUEUES}/write",)),
            ("DELETE", ""): Route(self._delete, (f"{QUEUES}/delete",)),
            ("GET", "metadata"): Route(self._metadata, (f"{QUEUES}/read",)),
            ("HEAD", "metadata"): Route(self._metadata, (f"{QUEUES}/read",)),
            ("PUT", "metadata"): Route(self._set_metadata, (f"{QUEUES}/write",)),
        }
        self._messages = {
            "POST": Route(messages.put, _may("write", "add/action")),
            "GET": Route(messages.get, _may("process/action")),
            "DELETE": Route(messages.clear, _may("delete")),
        }
        self._peek = Route(messages.get, _may("read"))
        self._message = {
            "PUT": Route(messages.update, _may("write")),
            "DELETE": Route(messages.delete, _may("delete", "process/action")),
        }

    def route(self, call: Call) -> Route | None:
        """Return the operation for a call: /queue, /queue/messages or /queue/messages/id."""
        if not call.rest:
            table = self._queue if call.container else self._service
            return table.get((call.request.method, call.comp))
        kind, _, message = call.rest.partition("/")
        if kind != "messages" or call.comp:
            return None
        if call.request.method == "GET" and call.request.query.get("peekonly") == "true":
            return self._peek
        return (self._message if message else self._messages).get(call.request.method)

    def _list(self, call: Call) -> Response:
        account = call.account.name
        detailed = call.request.query.get("include") == "metadata"

        def describe(name: str) -> str:
            known = self.queues.find(account, name).metadata.items()
            metadata = element("Metadata", *(text(key, value) for key, value in known))
            return element("Queue", text("Name", name), *([metadata] if detailed else []))

        endpoint = f"https://{account}.{self.domain}/"
        body = listing(
            call, self.queues.names(account), "Queues", describe, ServiceEndpoint=endpoint
        )
        return Response(200, XML, document(body))

    def _create(self, call: Call) -> Response:
        created = self.queues.create(
            call.account.name, call.container, metadata_of(call.request), call.now
        )
        return Response(201 if created else 204)

    def _delete(self, call: Call) -> Response:
        self.queues.delete(call.account.name, call.container, call.now)
        return Response(204)

    def _metadata(self, call: Call) -> Response:
        queue = self.queues.find(call.account.name, call.container)
        count = {"x-ms-approximate-messages-count": str(len(queue.alive(call.now)))}
        return Response(200, {**count, **metadata_headers(queue.metadata)})

    def _set_metadata(self, call: Call) -> Response:
        self.queues.find(call.account.name, call.container).metadata = metadata_of(call.request)
        return Response(204)


def _may(*verbs: str) -> tuple[str, ...]:
    return tuple(f"{QUEUES}/messages/{verb}" for verb in verbs)
