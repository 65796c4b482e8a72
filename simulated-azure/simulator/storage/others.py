"""The table and the file service, as far as a signature is tried there: they hold nothing.

Who is permitted gets the service's properties, and hears of everything else that it does not exist.
https://learn.microsoft.com/rest/api/storageservices/table-service-error-codes and
file-service-error-codes. From memory: how the table service writes an error in JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.storage.service import Call, Route, StorageService
from simulator.storage.wire import XML, StorageError, document, element
from simulator.wire import Request, Response, json_response

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.world import World


class EmptyService(StorageService):
    """A service of every storage account in which nothing is."""

    def __init__(self, world: World, label: str) -> None:
        """Answer at `<account>.<label>.<the storage suffix>`."""
        super().__init__(world, f"{label}.{world.domains.blob.partition('.')[2]}")
        self._label = label
        self.server = f"Windows-Azure-{label.capitalize()}"
        self.provider = f"{label}Services/{label}s"

    def route(self, call: Call) -> Route | None:
        """Return what answers a GET; None for anything else."""
        if call.request.method != "GET":
            return None
        is_service = not call.path and call.comp == "service&properties"
        return Route(_properties if is_service else self._missing, ())

    def _serve(self, request: Request, now: datetime) -> Response:
        try:
            return super()._serve(request, now)
        except StorageError as error:
            if self._label != "table":
                raise
            message = {"lang": "en-US", "value": error.message}
            body = {"odata.error": {"code": error.code, "message": message}}
            return json_response(error.status, body, {"x-ms-error-code": error.code})

    @staticmethod
    def _missing(call: Call) -> Response:
        raise StorageError(
            404, "ResourceNotFound", f"The specified resource {call.path!r} does not exist."
        )


def _properties(call: Call) -> Response:
    del call
    return Response(200, XML, document(element("StorageServiceProperties")))
