"""What Microsoft.Web tells of regions: where Flex Consumption is, with which Python, which quota.

The shapes are those that the Azure CLI reads (list_flexconsumption_locations and
_FlexFunctionAppStackRuntimeHelper in command_modules/appservice/custom.py of Azure/azure-cli), and
of https://learn.microsoft.com/rest/api/appservice/get-usages-in-location/list. How a row of usages
names Flex Consumption is not documented.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.arm.deployments.providers import missing_registration
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from simulator.arm.deployments.tenant import Tenant
    from simulator.wire import Request

SUBSCRIPTION = r"/subscriptions/(?P<subscription>[^/]+)"
ASKED = re.compile(
    rf"{SUBSCRIPTION}/providers/Microsoft\.Web/(?P<list>geoRegions|locations/(?P<where>[^/]+)/usages)",
    re.IGNORECASE,
)
STACKS = re.compile(
    r"/providers/Microsoft\.Web/locations/(?P<where>[^/]+)/functionAppStacks", re.IGNORECASE
)
FLEX = "FlexConsumption"


@dataclass(frozen=True)
class Region:
    """One region: the versions of Python on Flex Consumption, and the cores that are left."""

    display: str
    python: tuple[str, ...] = ("3.11", "3.12", "3.13")
    cores: int = 250
    used: int = 0

    @property
    def name(self) -> str:
        """The name that resources have."""
        return self.display.lower().replace(" ", "")


class Regions:
    """Answers for Microsoft.Web's regions."""

    def __init__(self, tenant: Tenant, *regions: Region) -> None:
        self._tenant = tenant
        self.known = {region.name: region for region in regions}

    def answer(self, request: Request) -> Response | None:
        """Answer a request; None for any other path.

        Without the provider registered a subscription is told nothing: the Azure CLI registers it
        then and asks again (register_provider in azure/cli/core/commands/arm.py).
        """
        if (match := STACKS.fullmatch(request.path)) is not None:
            return json_response(200, {"value": [_stack(self._of(match["where"]))]})
        if (match := ASKED.fullmatch(request.path)) is None:
            return None
        if not self._tenant.is_registered(match["subscription"], "Microsoft.Web"):
            raise missing_registration(match["subscription"], "Microsoft.Web")
        if match["where"]:
            return json_response(200, {"value": [_usage(self._of(match["where"]))]})
        flex = [region for region in self.known.values() if region.python]
        listed = flex if request.query.get("sku") == FLEX else list(self.known.values())
        rows = [{"name": region.display, "properties": _properties(region)} for region in listed]
        return json_response(200, {"value": rows})

    def _of(self, name: str) -> Region:
        return self.known.get(name.lower(), Region(name, python=()))


def _properties(region: Region) -> dict[str, Any]:
    return {"name": region.display, "displayName": region.display, "orgDomain": "PUBLIC;FUNCTIONS"}


def _usage(region: Region) -> dict[str, Any]:
    name = f"{FLEX} cores in {region.display}"
    return {
        "name": {"value": name, "localizedValue": name},
        "unit": "Count",
        "currentValue": region.used,
        "limit": region.cores,
    }


def _stack(region: Region) -> dict[str, Any]:
    minors = [_minor(version) for version in region.python]
    majors = [{"displayText": "Python 3", "value": "3", "minorVersions": minors}]
    return {
        "name": "python",
        "type": "Microsoft.Web/locations/functionAppStacks",
        "properties": {"value": "python", "displayText": "Python", "majorVersions": majors},
    }


def _minor(version: str) -> dict[str, Any]:
    settings = {
        "runtimeVersion": f"Python|{version}",
        "isDefault": False,
        "appInsightsSettings": {"isSupported": True},
        "gitHubActionSettings": {"isSupported": True, "supportedVersion": version},
        "appSettingsDictionary": {"FUNCTIONS_WORKER_RUNTIME": "python"},
        "Sku": [{"skuCode": "FC1"}],
    }
    return {
        "displayText": f"Python {version}",
        "value": version,
        "stackSettings": {"linuxRuntimeSettings": settings},
    }
