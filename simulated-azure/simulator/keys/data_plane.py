"""Where keys are used: each service at its own address, as unforgiving as the service is.

The words of a refusal of Service Bus are from
https://github.com/Azure/azure-sdk-for-ruby/issues/2357 (40103) and
https://github.com/Azure/azure-sdk-for-js/issues/32923 (LocalAuthDisabled); those of AI services and
Search are from memory. A GET of a name that no entity has lists what is there
(https://learn.microsoft.com/rest/api/servicebus/entities-discovery), to whoever asks
(https://learn.microsoft.com/azure/event-hubs/troubleshooting-guide).
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from simulator.keys import signatures
from simulator.keys.gateways import ask_gateway, ask_redis
from simulator.wire import Request, Response, json_response

if TYPE_CHECKING:
    from simulator.keys.accounts import Key, KeyedAccount, KeyRing
    from simulator.world import World

OTHERS = {"Microsoft.ApiManagement": ask_gateway, "Microsoft.Cache": ask_redis}

FEED = b'<feed xmlns="http://www.w3.org/2005/Atom"><title>Publicly Listed Services</title></feed>'


class KeysService:
    """Answers for every resource with keys."""

    def __init__(self, world: World) -> None:
        self._world = world

    def answers(self, host: str) -> bool:
        """Return whether the host is one of theirs."""
        return any(account.endpoint == host for account in self._world.keyed.values())

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        accounts = [
            account for account in self._world.keyed.values() if account.endpoint == request.host
        ]
        if not any(account.open_network for account in accounts):
            return json_response(
                403,
                {"error": {"code": "Forbidden", "message": "Public network access is disabled."}},
            )
        namespace = accounts[0].contract.kind.partition("/")[0]
        if accounts[0].contract.ruled and not accounts[0].has(request.path.strip("/")):
            return Response(200, {"Content-Type": "application/atom+xml;type=feed"}, FEED)
        if accounts[0].contract.ruled:
            return self._rule(request, accounts[0])
        if namespace in OTHERS:
            return OTHERS[namespace](request, accounts[0], self._world.now())
        # Several accounts share one host where the service has one for all.
        good = any(account.takes_keys and self._fits(request, account) for account in accounts)
        return _accepted(request, accounts[0]) if good else _refused(accounts[0])

    def _fits(self, request: Request, account: KeyedAccount) -> bool:
        now, ring = self._world.now(), account.ring("")
        return ring is not None and any(
            self._signed(request, account, key) for key in ring.usable(now)
        )

    def _signed(  # noqa: C901, PLR0911 - a table
        self, request: Request, account: KeyedAccount, key: Key
    ) -> bool:
        now = self._world.now()
        match account.contract.kind.partition("/")[0]:
            case "Microsoft.CognitiveServices":
                # https://learn.microsoft.com/azure/ai-services/authentication
                is_openai = account.flavour == "OpenAI"
                name = "api-key" if is_openai else "ocp-apim-subscription-key"
                return request.header(name) == key.value
            case "Microsoft.Search":
                return request.header("api-key") == key.value
            case "Microsoft.EventGrid" if account.contract.kept:
                return request.header("authorization") == f"SharedAccessKey {key.value}"
            case "Microsoft.EventGrid":
                return request.header("aeg-sas-key") == key.value
            case "Microsoft.Maps":
                return request.header("subscription-key") == key.value
            case "Microsoft.ContainerRegistry":
                basic = base64.b64encode(f"{account.name}:{key.value}".encode()).decode()
                return request.header("authorization") == f"Basic {basic}"
            case "Microsoft.Batch":
                return signatures.signs_batch(request, account.name, key, now)
            case "Microsoft.AppConfiguration":
                return signatures.signs_headers(request, key, now, named=True)
            case "Microsoft.DocumentDB":
                return signatures.signs_feed(request, key, now)
            case "Microsoft.Communication":
                return signatures.signs_headers(request, key, now, named=False)
            case "Microsoft.SignalRService":
                # Web PubSub wants the whole URL, SignalR the URL without its query:
                # https://learn.microsoft.com/azure/azure-web-pubsub/reference-rest-api-data-plane
                # and .../azure-signalr/signalr-reference-data-plane-rest-api.
                whole = account.contract.kind.endswith("webPubSub")
                return signatures.signs_token(request, key, now, whole=whole)
            case _:
                return signatures.knows(request, account.name.lower(), key, now)

    def _rule(self, request: Request, account: KeyedAccount) -> Response:
        entity, fields = request.path.strip("/"), signatures.sas_fields(request)
        if not account.takes_keys:
            return _unauthorised(
                "LocalAuthDisabled: Authorization failed because SAS authentication has "
                "been disabled"
            )
        if fields is None or int(fields.get("se", "0")) <= self._world.now().timestamp():
            return _unauthorised("40104: Malformed or expired authorization token")
        if account.contract.kind.startswith("Microsoft.Relay") and not entity.startswith("$"):
            # Whatever a client asks of a hybrid connection, its listener answers.
            account.published.append(request.path)
        if not f"https://{account.host}/{entity}".lower().startswith(fields["sr"].lower()):
            return _unauthorised(
                "InvalidAudience: The authorization header contains a token with a wrong audience."
            )
        if (ring := self._ring(account, entity, fields)) is None:
            return _unauthorised("40103: Invalid authorization token signature")
        if "Manage" not in ring.rights:
            return _unauthorised(
                "40100: Unauthorized. 'Manage,EntityRead' claim(s) are required to perform "
                "this operation."
            )
        return Response(200, {"Content-Type": "application/atom+xml"}, b"<entry/>")

    def _ring(self, account: KeyedAccount, entity: str, fields: dict[str, str]) -> KeyRing | None:
        """Return the rule whose key signed: one of the entity, or of the whole namespace.

        Names are told apart by case.
        """
        for path in account.rings:
            ring = account.ring(path)
            belongs = (
                ring
                and ring.rule == fields.get("skn")
                and ring.entity.lower() in ("", entity.lower())
            )
            if (
                ring
                and belongs
                and any(signatures.signs_sas(fields, key) for key in ring.usable(self._world.now()))
            ):
                return ring
        return None


def _accepted(request: Request, account: KeyedAccount) -> Response:
    kind, probe = account.contract.kind, account.contract.probe
    if probe and (status := probe.refusal(request)):
        return json_response(status, {"error": {"code": str(status), "message": "Unknown."}})
    if kind.startswith("Microsoft.EventGrid"):
        return _published(request, account)
    if kind.startswith("Microsoft.SignalRService"):
        return Response(404, {"x-ms-error-code": "Warning.Connection.NotExisted"})
    if kind.startswith("Microsoft.CognitiveServices") and account.flavour != "OpenAI":
        return json_response(404, {"error": {"code": "404", "message": "Resource not found"}})
    return json_response(200, {"value": []})


def _published(request: Request, account: KeyedAccount) -> Response:
    """Publish a batch of events: to a topic or a domain, or to a topic of a namespace."""
    events = json.loads(request.body)
    known = not account.contract.kept or request.path == "/topics/orders:publish"
    if not known:
        return json_response(404, {"error": {"code": "NotFound", "message": "No such topic."}})
    account.published += events
    return Response(200)


def _refused(account: KeyedAccount) -> Response:
    match account.contract.kind.partition("/")[0]:
        case "Microsoft.Search":
            return json_response(
                403, {"error": {"code": "", "message": "The api-key is not valid."}}
            )
        case "Microsoft.Batch":
            body = {
                "code": "AuthenticationFailed",
                "message": {"value": "Server failed to authenticate the request."},
            }
            return json_response(403, body)
        case "Microsoft.SignalRService":
            return Response(401)
        case _:
            return json_response(
                401,
                {
                    "error": {
                        "code": "401",
                        "message": "Access denied due to invalid subscription key.",
                    }
                },
            )


def _unauthorised(detail: str) -> Response:
    text = (
        f"<Error><Code>401</Code><Detail>{detail} TrackingId:1_G1, "
        "SystemTracker:NoSystemTracker</Detail></Error>"
    )
    return Response(401, {"Content-Type": "application/xml; charset=utf-8"}, text.encode())
