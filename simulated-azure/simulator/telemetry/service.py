"""The ingestion endpoint of Application Insights, /v2.1/track, for one resource."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

from simulator.telemetry.schema import MAX_ITEM, complaints
from simulator.wire import Request, Response, json_response

if TYPE_CHECKING:
    from simulator.world import World

PATHS = ("/v2.1/track", "/v2/track")


class IngestionService:
    """Accepts telemetry items with the right instrumentation key; `envelopes` are accepted items.

    `refused` holds the reason of each refusal: the endpoint tells the exporter, which can only drop
    the item.
    """

    def __init__(self, world: World, host: str, key: str) -> None:
        self._world = world
        self._host = host
        self._key = key
        self.envelopes: list[dict[str, Any]] = []
        self.refused: list[str] = []

    @property
    def connection_string(self) -> str:
        """The value of APPLICATIONINSIGHTS_CONNECTION_STRING."""
        return f"InstrumentationKey={self._key};IngestionEndpoint=http://{self._host}/"

    def answers(self, host: str) -> bool:
        """Return whether the host is the endpoint's."""
        return host == self._host

    def handle(self, request: Request) -> Response:
        """Accept one batch: 200 if all items are accepted, 206 if some are, 400 if none is."""
        # The exporter adds a slash to an endpoint that already ends with one, as real ones do.
        if f"/{request.path.lstrip('/')}" not in PATHS:
            return json_response(404, {"error": f"no endpoint {request.path}"})
        if request.method != "POST":
            return json_response(405, {"error": "POST only"})
        try:
            items = _items(request)
        except (ValueError, OSError, EOFError, zlib.error) as error:
            return _answer(0, {0: f"the body cannot be read: {type(error).__name__}"})
        errors = {
            index: complaint
            for index, item in enumerate(items)
            if (complaint := self._complaint(item))
        }
        self.envelopes += [item for index, item in enumerate(items) if index not in errors]
        self.refused += errors.values()
        return _answer(len(items), errors)

    def _complaint(self, item: Any) -> str | None:
        if not isinstance(item, dict):
            return "the item is no object"
        if str(item.get("iKey", "")).lower() != self._key.lower():
            return "Invalid instrumentation key"
        if len(json.dumps(item)) > MAX_ITEM:
            return f"the item is longer than {MAX_ITEM} bytes"
        return next(complaints(item, self._world.now()), None)


def _items(request: Request) -> list[Any]:
    """Read the body: a JSON array, or one JSON object a line; gzip if the header says so."""
    body = (
        gzip.decompress(request.body)
        if request.header("content-encoding") == "gzip"
        else request.body
    )
    text = body.decode().strip()
    items = (
        json.loads(text)
        if text.startswith("[")
        else [json.loads(line) for line in text.splitlines()]
    )
    if not items:
        raise ValueError("no item")
    return list(items)


def _answer(received: int, errors: dict[int, str]) -> Response:
    status = 200 if not errors else 400 if len(errors) >= received else 206
    listed = [
        {"index": index, "statusCode": 400, "message": complaint}
        for index, complaint in errors.items()
    ]
    accepted = max(received - len(errors), 0)
    return json_response(
        status, {"itemsReceived": received, "itemsAccepted": accepted, "errors": listed}
    )
