"""Microsoft.Web: Functions apps on Flex Consumption plans, and their packages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.arm.deployments import ids
from simulator.arm.deployments.refusals.put import Put
from simulator.arm.deployments.tenant import Resource, Tenant
from simulator.arm.errors import ArmError

NOT_ON_FLEX = {
    # https://github.com/pulumi/pulumi-azure-native/issues/4168
    "netFrameworkVersion",
    # https://github.com/Azure/azure-cli/issues/31414
    # https://github.com/Azure/terraform-azurerm-avm-res-web-site/issues/360
    "ftpsState",
    # https://github.com/Azure/azure-functions-host/issues/10643
    # https://github.com/microsoft/azure-pipelines-tasks/issues/22254
    "functionAppScaleLimit",
    # https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations
    "alwaysOn",
    "linuxFxVersion",
    "http20Enabled",
    "remoteDebuggingEnabled",
}
"""Properties of siteConfig. Some stamps refuse the first three; Flex ignores the others."""
SETTINGS_NOT_ON_FLEX = {
    "FUNCTIONS_WORKER_RUNTIME",
    "FUNCTIONS_WORKER_RUNTIME_VERSION",
    "FUNCTIONS_EXTENSION_VERSION",
    "ENABLE_ORYX_BUILD",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "WEBSITE_RUN_FROM_PACKAGE",
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
    "WEBSITE_CONTENTSHARE",
    "WEBSITE_VNET_ROUTE_ALL",
}
"""https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations
"""
DELEGATION = "Microsoft.App/environments"
STRATEGIES = {"Recreate", "RollingUpdate"}
MEMORIES, INSTANCES = {512, 2048, 4096}, range(40, 1001)
FEWER = {"westeurope", "australiaeast", "westus2"}
"""Where fewer instances than 40 are allowed, since January 2026:
https://github.com/Azure/azure-functions-host/issues/10523."""
WRITE_BLOB = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write"


def check_plan(tenant: Tenant, put: Put) -> None:
    """Refuse a region without Flex Consumption, and one where the subscription has no quota.

    https://github.com/Azure/azure-cli/issues/29370 shows the first answer, which even a region
    that is listed can give, and issue 31665 there the second. A version of Python that a region
    lacks is not refused: https://github.com/Azure/Azure-Functions/issues/2666 tells of an app that
    is made and never starts.
    """
    region = put.body["location"]
    if region in tenant.without_flex:
        raise _bad("Requested features are not supported in region. Please try another region")
    if region in tenant.without_quota:
        kind = "FlexConsumption VMs"
        message = (
            "Operation cannot be completed without additional quota. \r\nAdditional details - "
            f"Location:  \r\nCurrent Limit ({kind}): 0 \r\nCurrent Usage: 0\r\nAmount required "
            f"for this deployment ({kind}): 1 \r\n(Minimum) New Limit that you should request to "
            "enable this deployment: 1."
        )
        raise ArmError(401, "Unauthorized", message)


def check_site(tenant: Tenant, put: Put) -> None:
    """Refuse settings that a Flex Consumption app may not have, and missing required ones.

    Beside the lists above is who met which. https://github.com/Azure/RDS-Templates/issues/365 shows
    the answer to a name that somebody has, and
    https://github.com/Azure/azure-rest-api-specs/pull/31730 says that a plan of another kind
    refuses what this one needs.
    """
    plan = tenant.read(put.properties["serverFarmId"])
    if plan.body.get("sku", {}).get("name") != "FC1":
        raise _bad("the plan is no Flex Consumption plan (FC1)")
    config = put.properties.get("siteConfig", {})
    if put.name.lower() in tenant.taken:
        message = f"Website with given name {put.name} already exists."
        raise ArmError(409, "Conflict", message)
    for name in sorted(NOT_ON_FLEX & config.keys()):
        raise _bad(
            "The following site configuration property "
            f"(Site.SiteConfig.{name[0].upper()}{name[1:]}) for Flex Consumption sites is "
            "invalid. Please remove or rename it before retrying"
        )
    settings = {setting["name"] for setting in config.get("appSettings", ())}
    for name in sorted(SETTINGS_NOT_ON_FLEX & settings):
        raise _bad(
            f"The following app setting (Site.SiteConfig.AppSettings.{name}) for Flex "
            "Consumption sites is invalid."
        )
    _check_config(tenant, put)
    _check_network(tenant, put)


def _check_config(tenant: Tenant, put: Put) -> None:
    """Refuse an incomplete functionAppConfig.

    https://learn.microsoft.com/azure/azure-functions/functions-infrastructure-as-code#flex-consumption-plan;
    https://github.com/Azure-Samples/azure-functions-flex-consumption-samples/issues/7 shows the
    answer to none at all.
    """
    config = put.properties.get("functionAppConfig")
    if not config:
        raise _bad(
            "Site.FunctionAppConfig is invalid.  The FunctionAppConfig section was not specified "
            "in the request, which is required for Flex Consumption sites. To proceed, please add "
            "the FunctionAppConfig section in your request"
        )
    _check_scale(tenant, put, config["scaleAndConcurrency"])
    if config.get("siteUpdateStrategy", {"type": "Recreate"})["type"] not in STRATEGIES:
        raise _bad("siteUpdateStrategy is unknown")
    storage = config["deployment"]["storage"]
    named = storage["authentication"].get("userAssignedIdentityResourceId")
    if named not in put.body.get("identity", {}).get("userAssignedIdentities", {}):
        raise _bad("the identity of the deployment storage is not one of the app")
    if container_of(tenant, storage["value"]) is None:
        raise _bad(f"the deployment container {storage['value']} does not exist")


def _check_scale(tenant: Tenant, put: Put, scale: Mapping[str, Any]) -> None:
    """Refuse what a region does not have: 512 MB, which came later to some, or few instances.

    https://github.com/Azure/azure-rest-api-specs/issues/40898 (512 MB, March 2026) and
    https://github.com/MicrosoftDocs/azure-docs/pull/128255 (at least 40 instances).
    """
    region, memory = put.body["location"], scale["instanceMemoryMB"]
    if memory not in MEMORIES or (memory == min(MEMORIES) and region in tenant.without_small):
        raise _bad(f"instanceMemoryMB {memory} is invalid. Allowed values are 2048 and 4096")
    if scale["maximumInstanceCount"] not in (range(1, 1001) if region in FEWER else INSTANCES):
        raise _bad("maximumInstanceCount must be between 40 and 1000")


def _check_network(tenant: Tenant, put: Put) -> None:
    """Refuse a subnet that is not delegated to the app, or an unregistered Microsoft.App.

    https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan#virtual-network-integration
    """
    subnet = put.properties.get("virtualNetworkSubnetId")
    if not subnet:
        return
    subscription = ids.place_of(put.id).subscription
    if not tenant.is_registered(subscription, "Microsoft.App"):
        message = "The subscription is not registered to use namespace 'Microsoft.App'."
        raise ArmError(409, "MissingSubscriptionRegistration", message)
    network = tenant.read(ids.parent(subnet) or "")
    listed = {entry["name"]: entry["properties"] for entry in network.properties["subnets"]}
    delegations = listed[subnet.rpartition("/")[2]].get("delegations", ())
    if DELEGATION not in {entry["properties"]["serviceName"] for entry in delegations}:
        raise _bad(f"the subnet must be delegated to {DELEGATION}")


def check_package(tenant: Tenant, put: Put) -> None:
    """Refuse a package while the app's identity may not write to its container.

    "InaccessibleStorageException", 403: https://github.com/Azure/azure-dev/issues/8026
    """
    if not str(put.properties.get("packageUri", "")).startswith("https://"):
        raise _bad("onedeploy needs a packageUri")
    check_upload(tenant, tenant.read(ids.parent(put.id) or ""))


def check_upload(tenant: Tenant, site: Resource) -> None:
    """Refuse an upload while the app's identity, which Azure uses for it, may not write.

    https://github.com/Azure/azure-dev/issues/8026 shows the answer.
    """
    storage = site.properties["functionAppConfig"]["deployment"]["storage"]
    identity = tenant.read(storage["authentication"]["userAssignedIdentityResourceId"])
    container = container_of(tenant, storage["value"])
    if container is None or not tenant.may(identity.added["principalId"], WRITE_BLOB, container):
        message = (
            "InaccessibleStorageException: Failed to access storage account for deployment: "
            "BlobUploadFailedException: Response status code does not indicate success: 403 "
            "(This request is not authorized to perform this operation using this permission.)."
        )
        raise ArmError(403, "InaccessibleStorageException", message)


def container_of(tenant: Tenant, url: str) -> str | None:
    """Return the id of the container at a URL."""
    host, _, container = url.removeprefix("https://").partition("/")
    account = host.partition(".")[0]
    for resource in tenant.of_kind("Microsoft.Storage/storageAccounts/blobServices/containers"):
        if resource.id.endswith(
            f"/storageAccounts/{account}/blobServices/default/containers/{container}"
        ):
            return resource.id
    return None


def settings_of(site: Resource) -> dict[str, str]:
    """Return an app's settings as its process sees them, without the empty ones.

    https://github.com/Azure/azure-functions-host, FunctionEnvironmentReload of a placeholder.
    """
    listed: list[Mapping[str, Any]] = site.properties["siteConfig"]["appSettings"]
    return {setting["name"]: setting["value"] for setting in listed if setting["value"]}


def _bad(reason: str) -> ArmError:
    return ArmError(400, "BadRequest", f"{reason}.")
