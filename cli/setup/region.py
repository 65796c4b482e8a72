"""Whether a region can run the app: asked before anything is made there.

As the Azure CLI asks for `az functionapp list-flexconsumption-locations` and
`list-flexconsumption-runtimes` (command_modules/appservice/custom.py of Azure/azure-cli), and
https://learn.microsoft.com/rest/api/appservice/get-usages-in-location/list for the quota.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cloud.azure import Azure
from cloud.rest.arm import Arm

WEB, STACKS = "2024-11-01", "2020-10-01"
SKU, PLAN = "FC1", "FlexConsumption"
PYTHON = "3.13"
OTHERS = "az functionapp list-flexconsumption-locations --runtime python --show-details"


async def region_problems(azure: Azure, subscription: str, location: str) -> list[str]:
    """Return why the app cannot run there, each with its fix; raises RekeyError if not told."""
    web = Arm(azure, WEB, "Reader")
    provider = f"/subscriptions/{subscription}/providers/Microsoft.Web"
    regions = web.pages(
        f"{provider}/geoRegions?sku={PLAN}&api-version={WEB}", "listing regions", location
    )
    names = {_plain(str(region["name"])) async for region in regions}
    if _plain(location) not in names:
        return [
            f"the region {location} has no Flex Consumption: choose another, such as {OTHERS} lists"
        ]
    stacks = Arm(azure, STACKS, "Reader").pages(
        f"/providers/Microsoft.Web/locations/{location}/functionAppStacks?api-version={STACKS}"
        f"&removeHiddenStacks=true&removeDeprecatedStacks=true&stack=python&sku={SKU}",
        "listing the versions of Python",
        location,
    )
    versions = {version async for stack in stacks for version in _versions(stack)}
    if PYTHON not in versions:
        listed = ", ".join(sorted(versions)) or "none"
        return [
            f"Flex Consumption in {location} has no Python {PYTHON} (it has {listed}): choose another region, such as {OTHERS} lists"
        ]
    usages = web.pages(f"{provider}/locations/{location}/usages", "reading the quota", location)
    return [problem async for usage in usages for problem in _used_up(usage, location)]


def _versions(stack: Mapping[str, Any]) -> Iterator[str]:
    for major in stack["properties"]["majorVersions"]:
        for minor in major["minorVersions"]:
            settings = minor["stackSettings"].get("linuxRuntimeSettings") or {}
            if any(sku["skuCode"] == SKU for sku in settings.get("Sku") or ()):
                yield str(minor["value"])


def _used_up(usage: Mapping[str, Any], location: str) -> Iterator[str]:
    """Yield what is wrong with a row; a row of another plan is nothing to the app."""
    name = usage["name"]["value"]
    if "flex" in _plain(name) and usage["currentValue"] >= usage["limit"]:
        yield (
            f"the quota {name!r} in {location} is used up ({usage['currentValue']} of "
            f"{usage['limit']}): choose another region, or have it raised"
        )


def _plain(name: str) -> str:
    """Return a region's name as resources have it: West Europe is westeurope."""
    return name.lower().replace(" ", "")
