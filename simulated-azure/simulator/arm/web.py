"""Microsoft.Web: apps, functions and settings; list and refresh Key Vault references.

Sources for references:
https://learn.microsoft.com/azure/app-service/app-service-key-vault-references (the refresh and its
api-version), the example GetKeyVaultReferencesForAppSettings of the OpenAPI documents, and an
answer to a refresh that a user published: it lists the references, with a null activeVersion. The
required actions are not documented. Here they are what Resource Manager would derive from the
paths.

Sources for apps, functions and settings: the operations WebApps_Get, WebApps_List,
WebApps_ListFunctions, WebApps_ListApplicationSettings and WebApps_UpdateApplicationSettings (which
replaces them all), https://learn.microsoft.com/rest/api/appservice/web-apps. A
function's name is <app>/<function>. The required actions are listed in
https://learn.microsoft.com/azure/role-based-access-control/permissions/web-and-mobile.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulator.arm import errors
from simulator.arm.paging import page
from simulator.arm.service import check_group, check_role
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.arm.request import ArmRequest
    from simulator.identity import Principal
    from simulator.keyvault.state import Vault
    from simulator.world import World

SITES = "Microsoft.Web/sites"
API_VERSIONS = (
    "2022-03-01",
    "2022-09-01",
    "2023-01-01",
    "2023-12-01",
    "2024-04-01",
    "2024-11-01",
    "2025-03-01",
    "2025-05-01",
)
REFERENCES = re.compile(
    r"(?P<site>sites/[^/]+(/slots/[^/]+)?)/config/configreferences/appsettings(?P<refresh>/refresh)?",
    re.IGNORECASE,
)
APP = re.compile(
    r"(?P<site>sites/(?P<name>[^/]+))"
    r"(?P<rest>/functions|/config/appsettings(/list)?|/config/authsettingsV2/list"
    r"|/host/default/listkeys)?",
    re.IGNORECASE,
)
FUNCTIONS_PAGE, SITES_PAGE, REFERENCES_PAGE = 20, 100, 100
REFERENCE = re.compile(
    r"@Microsoft\.KeyVault\(SecretUri=https://(?P<vault>[^./]+)[^/]*/secrets/(?P<name>[^/)]+).*\)"
)


@dataclass
class Site:
    """An app: its Key Vault references, and the secret versions that it has resolved.

    `tells` is whether the platform reports the resolved version. `status` is the status that it
    reports for every reference.
    """

    resource_id: str
    settings: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    tells: bool = True
    status: str = "Resolved"
    stuck: bool = False
    """Whether a refresh changes nothing."""
    refreshed: int = 0
    functions: dict[str, bool] = field(default_factory=dict)
    """Each indexed function, and whether it is enabled."""
    state: str = "Running"
    python: str = "3.13"
    identity: str = "UserAssigned"
    plain: dict[str, str] = field(default_factory=dict)
    """Settings that are not references."""
    host: str = ""
    """The app's address; none if nobody asks for it."""
    service: str = ""
    """The address of its deployment service."""
    signs_in: bool = False
    """Whether the platform asks callers to sign in."""
    keys: dict[str, Any] = field(default_factory=dict)
    """What listKeys returns; empty while the host does not run."""

    @property
    def name(self) -> str:
        """Return the app's name."""
        return self.resource_id.rpartition("/")[2]

    def body(self) -> dict[str, Any]:
        """Return the app as Resource Manager shows it."""
        runtime = {"name": "python", "version": self.python}
        return {
            "id": self.resource_id,
            "name": self.name,
            "type": SITES,
            "kind": "functionapp,linux",
            "identity": {"type": self.identity},
            "properties": {
                "state": self.state,
                "functionAppConfig": {"runtime": runtime},
                **self._addresses(),
            },
        }

    def _addresses(self) -> dict[str, Any]:
        kinds = {"Standard": self.host, "Repository": self.service}
        states = [{"name": host, "hostType": kind} for kind, host in kinds.items()]
        return {"defaultHostName": self.host, "hostNameSslStates": states} if self.host else {}

    def set(self, settings: Mapping[str, str]) -> None:
        """Replace all settings."""
        named = {name for name, text in settings.items() if REFERENCE.fullmatch(text)}
        self.settings = {name: settings[name] for name in named}
        self.plain = {name: text for name, text in settings.items() if name not in named}

    def resolve(self, vaults: dict[str, Vault]) -> None:
        """Resolve every reference to the latest version, or to the version that it names."""
        for setting, reference in self.settings.items():
            match = REFERENCE.fullmatch(reference)
            version = match and vaults[match["vault"]].latest(match["name"])
            if version and not self.stuck:
                self.held[setting] = version.version


class WebProvider:
    """Answers for the world's apps."""

    namespace = "Microsoft.Web"

    def __init__(self, world: World) -> None:
        self._world = world
        self.sites: dict[str, Site] = {}

    def add(self, resource_id: str, **settings: str) -> Site:
        """Add an app or a slot, and resolve its settings."""
        site = self.sites[resource_id.lower()] = Site(resource_id, settings)
        site.resolve(self._world.vaults)
        return site

    def api_versions(self, kind: str) -> tuple[str, ...]:
        """Return the versions for apps, oldest first."""
        return API_VERSIONS if kind.lower() == "sites" else ()

    def rate(self, call: ArmRequest) -> str:
        """Return which rate a request counts against."""
        return "reads" if call.request.method == "GET" else "writes"

    def handle(self, call: ArmRequest, principal: Principal) -> Response:
        """List the references of an app, or resolve them again."""
        if call.path.lower() == "sites" and call.request.method == "GET":
            return self._list(call, principal)
        if (whole := APP.fullmatch(call.path)) is not None:
            return self._app(call, principal, whole)
        match = REFERENCES.fullmatch(call.path)
        refresh = bool(match and match["refresh"])
        if match is None or call.request.method != ("POST" if refresh else "GET"):
            raise errors.invalid_type(self.namespace, call.api_version)
        scope = f"{call.group_scope}/providers/{self.namespace}/{match['site']}"
        slot = "slots/" if "/slots/" in match["site"].lower() else ""
        action = f"{slot}config/appsettings/{'refresh/action' if refresh else 'read'}"
        check_role(self._world, principal, f"{SITES}/{action}", scope)
        check_group(self._world, call)
        site = self.sites.get(scope.lower())
        if site is None:
            raise errors.resource_not_found(SITES, match["site"].split("/")[1], call.group)
        if refresh:
            site.refreshed += 1
            site.resolve(self._world.vaults)
        rows = [self._row(site, setting, reference) for setting, reference in site.settings.items()]
        whole_list = {"value": rows, "nextLink": None, "id": None}
        paged = {} if refresh else page(call, self._world.domains.arm, rows, REFERENCES_PAGE)
        return json_response(200, whole_list | paged)

    def _app(self, call: ArmRequest, principal: Principal, match: re.Match[str]) -> Response:
        """Return an app, a page of its functions, or its settings.

        Listing settings is a POST, since they may be secret.
        """
        rest = (match["rest"] or "").lower()
        method, action = {
            "": ("GET", "read"),
            "/functions": ("GET", "functions/read"),
            "/config/appsettings": ("PUT", "config/write"),
            "/config/appsettings/list": ("POST", "config/list/action"),
            "/config/authsettingsv2/list": ("POST", "config/list/action"),
            "/host/default/listkeys": ("POST", "host/listkeys/action"),
        }[rest]
        if call.request.method != method:
            raise errors.invalid_type(self.namespace, call.api_version)
        scope = f"{call.group_scope}/providers/{self.namespace}/{match['site']}"
        check_role(self._world, principal, f"{SITES}/{action}", scope)
        check_group(self._world, call)
        site = self.sites.get(scope.lower())
        if site is None:
            raise errors.resource_not_found(SITES, match["name"], call.group)
        if rest == "/functions":
            rows = [self._function(site, name) for name in site.functions]
            return json_response(200, page(call, self._world.domains.arm, rows, FUNCTIONS_PAGE))
        if rest == "/host/default/listkeys":
            if not site.keys:
                raise errors.host_runtime("ServiceUnavailable")
            return json_response(200, site.keys)
        if rest == "/config/authsettingsv2/list":
            return json_response(200, {"name": "authsettingsV2", "properties": _sign_in(site)})
        if rest == "/config/appsettings":
            site.set(_properties(call))
        if rest:
            return json_response(
                200, {"name": "appsettings", "properties": {**site.settings, **site.plain}}
            )
        return json_response(200, site.body())

    def _list(self, call: ArmRequest, principal: Principal) -> Response:
        # A list silently omits what the caller may not read, and slots are none of its apps.
        rows = [
            site.body()
            for name, site in self.sites.items()
            if name.startswith(f"{call.group_scope}/".lower())
            and "/slots/" not in name
            and self._world.roles.find(principal, f"{SITES}/read", site.resource_id)
        ]
        if not rows:
            check_role(self._world, principal, f"{SITES}/read", call.group_scope)
        if call.group:
            check_group(self._world, call)
        return json_response(200, page(call, self._world.domains.arm, rows, SITES_PAGE))

    @staticmethod
    def _function(site: Site, name: str) -> dict[str, Any]:
        properties = {"name": name, "isDisabled": not site.functions[name], "language": "python"}
        identity = {"id": f"{site.resource_id}/functions/{name}", "name": f"{site.name}/{name}"}
        return {**identity, "type": f"{SITES}/functions", "properties": properties}

    def _row(self, site: Site, setting: str, reference: str) -> dict[str, Any]:
        match = REFERENCE.fullmatch(reference)
        properties = {
            "activeVersion": site.held.get(setting) if site.tells else None,
            "details": "Reference has been successfully resolved.",
            "identityType": "SystemAssigned",
            "reference": reference,
            "secretName": match["name"] if match else None,
            "status": site.status,
            "vaultName": match["vault"] if match else None,
        }
        name = f"{site.resource_id}/config/configreferences/appsettings/{setting}"
        return {
            "id": name,
            "name": setting,
            "type": f"{SITES}/config/configreferences",
            "properties": properties,
        }


def _properties(call: ArmRequest) -> dict[str, str]:
    try:
        properties = json.loads(call.request.body)["properties"]
    except (ValueError, LookupError, TypeError) as error:
        raise errors.invalid_content(str(error)) from None
    return {str(name): str(text) for name, text in properties.items()}


def _sign_in(site: Site) -> dict[str, Any]:
    """Return the settings of App Service Authentication.

    https://learn.microsoft.com/rest/api/appservice/web-apps/get-auth-settings-v2
    """
    required = {"requireAuthentication": site.signs_in}
    return {"platform": {"enabled": site.signs_in}, "globalValidation": required}
