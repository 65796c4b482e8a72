"""Graph v1.0 at /applications: read, list by app id, owners, addPassword, removePassword."""

from __future__ import annotations

import json
import re
import uuid
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from simulator.entra import errors, shapes
from simulator.entra.certificates import Certificates
from simulator.entra.owned import PATH as OWNED_PATH
from simulator.entra.owned import owned_objects
from simulator.entra.passwords import Passwords
from simulator.entra.registrations import Registrations
from simulator.identity import Principal, bearer
from simulator.wire import Request, Response

if TYPE_CHECKING:
    from simulator.entra.directory import Application, Directory
    from simulator.world import World

PATH = re.compile(
    r"/v1\.0/applications(/(?P<id>[^/()]+)|\(appid='(?P<appid>[^']+)'\))?(/(?P<rest>[^/]+))?/?",
    re.IGNORECASE,
)
FILTER = re.compile(r"appId eq '(?P<appid>[^']+)'", re.IGNORECASE)
KNOWN = re.compile(r"/v1\.0/(applications|servicePrincipals|me)\b.*", re.IGNORECASE)
READERS = frozenset(
    {
        "Application.Read.All",
        "Application.ReadWrite.OwnedBy",
        "Application.ReadWrite.All",
        "Directory.Read.All",
    }
)
OWNED, EVERY = "Application.ReadWrite.OwnedBy", "Application.ReadWrite.All"
GRAPH_ID = "00000003-0000-0000-c000-000000000000"
SUCCESS_TYPE = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
DIAGNOSTIC = {
    "ServerInfo": {
        "DataCenter": "West Europe",
        "Slice": "E",
        "Ring": "5",
        "ScaleUnit": "001",
        "RoleInstance": "AM2",
    }
}


class GraphService:
    """Microsoft Graph, on top of the world's directory."""

    def __init__(self, world: World, directory: Directory) -> None:
        self._world, self._directory = world, directory
        self._passwords = Passwords(world.now, directory)
        self._registrations = Registrations(directory, Certificates(world.now, directory))

    def answers(self, host: str) -> bool:
        """Return whether the host is Graph's."""
        return host.removesuffix(":443") == self._world.domains.graph

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        request_id = str(uuid.UUID(bytes=self._world.entropy(16), version=4))
        try:
            status, body, more = self._serve(request)
        except errors.GraphError as refusal:
            date = self._world.now().strftime("%Y-%m-%dT%H:%M:%S")
            headers = {"Content-Type": "application/json"} | self._challenge(refusal)
            return self._answer(refusal.status, refusal.body(date, request_id), headers, request_id)
        if body is None:
            return self._answer(204, None, {}, request_id)
        return self._answer(
            status, body, {"Content-Type": SUCCESS_TYPE, "odata-version": "4.0"} | more, request_id
        )

    def _answer(self, status: int, body: Any, headers: dict[str, str], request_id: str) -> Response:
        common = {
            "cache-control": "no-cache",
            "date": format_datetime(self._world.now(), usegmt=True),
            "request-id": request_id,
            "client-request-id": request_id,
            "strict-transport-security": "max-age=31536000",
            "x-ms-ags-diagnostic": json.dumps(DIAGNOSTIC),
            "x-ms-resource-unit": "1",
        }
        compressed = {} if body is None else {"vary": "Accept-Encoding"}
        return Response(
            status,
            common | compressed | headers,
            b"" if body is None else json.dumps(body).encode(),
        )

    def _challenge(self, refusal: errors.GraphError) -> dict[str, str]:
        if refusal.status != 401:  # noqa: PLR2004
            return {}
        authority = f"https://{self._world.domains.login}/common/oauth2/authorize"
        return {
            "WWW-Authenticate": (
                f'Bearer realm="", authorization_uri="{authority}", client_id="{GRAPH_ID}"'
            )
        }

    def _serve(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        caller = self._authenticated(request)
        permissions = {
            *self._world.identities.app_roles.get(caller.oid, ()),
            *caller.scopes.split(),
        }
        if not KNOWN.fullmatch(request.path):
            raise errors.no_segment(request.path.strip("/").rpartition("/")[2])
        if not permissions & READERS:
            raise errors.denied()
        if answer := self._registrations.answer(request, caller, permissions):
            return (*answer, {})
        return 200, *self._look_or_act(request, caller, permissions)

    def _look_or_act(
        self, request: Request, caller: Principal, permissions: set[str]
    ) -> tuple[Any, dict[str, str]]:
        match, owned = PATH.fullmatch(request.path), OWNED_PATH.fullmatch(request.path)
        if match is None and owned is None:
            raise errors.no_segment(request.path.strip("/").rpartition("/")[2])
        if match is None:
            assert owned  # noqa: S101 - one of the two was found
            return owned_objects(request, owned, caller, self._directory), {}
        if match["id"] is None and match["appid"] is None:
            return self._list(request), {}
        application = self._application(match["id"], match["appid"], caller)
        if request.method == "POST" and (match["rest"] or "").lower() in (
            "addpassword",
            "removepassword",
        ):
            if EVERY not in permissions and not (
                OWNED in permissions and caller.oid in application.owners
            ):
                raise errors.denied()
            return self._act(request, match["rest"].lower(), application)
        return self._read(request, match["rest"], application), {}

    def _authenticated(self, request: Request) -> Principal:
        token = bearer(request.header("authorization"))
        if token is None:
            raise errors.no_token()
        result = self._world.identities.examine(
            token, f"https://{self._world.domains.graph}", GRAPH_ID
        )
        if not isinstance(result, Principal):
            raise errors.bad_token(result)
        return result

    def _application(
        self, object_id: str | None, app_id: str | None, caller: Principal
    ) -> Application:
        by_app_id = self._directory.applications.get((app_id or "").lower())
        application = self._directory.find(object_id) if object_id else by_app_id
        if application is None or application.tenant != caller.tenant:
            raise errors.no_resource(object_id or app_id or "")
        return application

    def _act(
        self, request: Request, action: str, application: Application
    ) -> tuple[Any, dict[str, str]]:
        if action == "removepassword":
            self._passwords.remove(application, request.body)
            return None, {}
        added = shapes.password(self._passwords.add(application, request.body), reveal=True)
        return self._context("microsoft.graph.passwordCredential") | added, {
            "location": f"https://{self._world.domains.graph}"
        }

    def _read(self, request: Request, rest: str | None, application: Application) -> dict[str, Any]:
        if request.method != "GET" or rest not in (None, "owners"):
            raise errors.no_segment(rest or "")
        if rest == "owners":
            return self._context("directoryObjects") | self._owners(request, application)
        written = self._written(application)
        if "keyCredentials" in request.query.get("$select", "").split(","):
            # Only a read of one application that names the property shows the public parts.
            keys = application.keys(self._directory.seen_by_graph())
            written["keyCredentials"] = [shapes.key(key) for key in keys]
        return self._context("applications/$entity") | shapes.selected(request, written)

    def _owners(self, request: Request, application: Application) -> dict[str, Any]:
        start, size = int(request.query.get("$skiptoken", "0")), self._directory.page_size
        owners = [
            {"@odata.type": "#microsoft.graph.servicePrincipal", "id": owner}
            for owner in sorted(application.owners)
        ]
        body: dict[str, Any] = {"value": owners[start : start + size]}
        if start + size < len(owners):
            body["@odata.nextLink"] = (
                f"https://{request.host}{request.path}?$skiptoken={start + size}"
            )
        return body

    def _list(self, request: Request) -> dict[str, Any]:
        match = FILTER.fullmatch(request.query.get("$filter", ""))
        if request.method != "GET" or match is None:
            raise errors.bad_request("Invalid filter clause")
        application = self._directory.applications.get(match["appid"].lower())
        return self._context("applications") | {
            "value": [shapes.selected(request, self._written(application))] if application else []
        }

    def _written(self, application: Application) -> dict[str, Any]:
        seen = self._directory.seen_by_graph()
        return shapes.application(application, application.passwords(seen), application.keys(seen))

    def _context(self, of: str) -> dict[str, Any]:
        return {"@odata.context": f"https://{self._world.domains.graph}/v1.0/$metadata#{of}"}
