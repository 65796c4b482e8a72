"""What Microsoft's published interfaces say of each type of resource with two keys.

One row of facts a type. Sources, all of Azure/azure-rest-api-specs: the examples
...TopicAuthorizationRuleRegenerateKey and SBNameSpaceGet (Service Bus, 2026-01-01),
SearchRegenerateAdminKey and SearchUpdateServiceDisableLocalAuth (2025-05-01),
ConfigurationStoresListKeys, ListKeys of CognitiveServices, SignalR_RegenerateKey (2023-02-01),
RegenerateKey of Maps (2023-06-01), BatchAccountRegenerateKey (2024-07-01), regenerateKey of
Communication (2023-04-01, whose answer holds the one key), and the models of the packages
azure-mgmt-containerregistry 15 and azure-mgmt-cosmosdb 10. Further
RelayHybridConnectionAuthorizationRuleRegenerateKey (2024-01-01, and RelayNamespaceProperties, which
has no switch), NotificationHubs_RegenerateKeys (2017-04-01, 2023-10-01-preview),
RedisEnterpriseDatabasesRegenerateKey and RedisEnterpriseDatabasesGet, RedisResource.tsp, Topic.tsp
and Namespace.tsp of Microsoft.EventGrid, PartnerNamespaces_RegenerateKey (2022-06-15), and
Microsoft.ApiManagement 2024-05-01. From memory: what each says of a request that it refuses.

What a key may ask for is from the data-plane folders there: AzureOpenAI/authoring (Deployments_List),
Azure.Search (GetServiceStatistics), Microsoft.AppConfiguration (GetKeyValues), Azure.Batch
(Applications_ListApplications), PhoneNumbers (ListPhoneNumbers), Timezone (GetTimezoneEnumWindows),
WebPubSub (ConnectionExists) and Microsoft.EventGrid (PublishEvents, PublishCloudEvents); and from
https://learn.microsoft.com/azure/azure-signalr/signalr-reference-data-plane-rest-api,
https://learn.microsoft.com/rest/api/cosmos-db/list-databases and the specification of OCI's
distribution (end-1). From memory: 404 for another path or method, 400 for a version and 415 for a
body that a service does not know.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from simulator.wire import Request

type Form = Literal["base64", "letters", "hex"]


@dataclass(frozen=True)
class Probe:
    """A request with a key that a service knows: others it refuses, however good the key."""

    method: str
    path: str
    """A pattern that the whole path follows."""
    versions: tuple[str, ...] = ()
    """Of the interface; empty where the query names none."""
    media: str = ""
    """What its body is, which the service has to be told."""

    def refusal(self, request: Request) -> int:
        """Return the status with which a request is refused; 0 for one that is known."""
        if (request.method, bool(re.fullmatch(self.path, request.path))) != (self.method, True):
            return HTTPStatus.NOT_FOUND
        if self.versions and request.query.get("api-version") not in self.versions:
            return HTTPStatus.BAD_REQUEST
        media = request.header("content-type").partition(";")[0]
        return (
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE
            if self.media and not re.fullmatch(self.media, media)
            else 0
        )


@dataclass(frozen=True)
class Contract:
    """One type of resource.

    `slots` are the keys' names in a list, with what a request to replace them calls each.
    """

    kind: str
    versions: tuple[str, ...]
    slots: dict[str, str]
    host: str
    """The host in the public cloud; {name} stands for the resource's name."""
    address: str
    """The property that says it."""
    lists: str = "listKeys"
    replaces: str = "regenerateKey"
    asks: str = "keyName"
    """The property of the request that names the key; empty where its path does."""
    replies: Literal["all", "one", "empty", "nothing"] = "all"
    """What the answer to a replacement holds; nothing where the change goes on after it."""
    takes: float = 2.0
    """Seconds for which such a change goes on."""
    form: Form = "base64"
    length: int = 64
    """Bytes behind base64, or characters."""
    switch: str = "disableLocalAuth"
    """The property that switches keys off; empty where the type has none."""
    off: object = True
    on: object = False
    keyless: Literal["lists", "refuses", "empties"] = "lists"
    """What a listing does while keys are switched off."""
    times: bool = False
    """The listing says when each key was made."""
    whole_address: bool = False
    """The address is a URL."""
    kept: str = ""
    """Where in its properties the address stands, where that is deeper."""
    told_since: str = ""
    """The first api-version that says the address; the first of all if left out."""
    port: int = 0
    """Where it listens, where that is not for HTTPS."""
    switched_below: bool = False
    """The switch is a property of the children."""
    probe: Probe | None = None
    """What a key may ask for where it is used; left out where that is not written down."""
    children: tuple[str, ...] = field(default=())
    """The types below it that have keys, where it has none itself."""

    @property
    def ruled(self) -> bool:
        """Whether its keys are those of shared access rules."""
        return any(child.endswith("uthorizationRules") for child in self.children)


TWO = {"primaryKey": "Primary", "secondaryKey": "Secondary"}
RULE = {"primaryKey": "PrimaryKey", "secondaryKey": "SecondaryKey"}
BOTH = {"key1": "key1", "key2": "key2"}
LOWER = {"primaryKey": "primary", "secondaryKey": "secondary"}
EVENTS = Probe(
    "POST", "/api/events", ("2018-01-01",), r"application/(json|cloudevents(-batch)?\+json)"
)
CONNECTION = "/api/hubs/[^/]+/connections/[^/]+"

WRITTEN = (
    Contract(
        "Microsoft.ServiceBus/namespaces",
        ("2017-04-01", "2021-11-01", "2024-01-01", "2026-01-01"),
        RULE,
        "{name}.servicebus.windows.net",
        "serviceBusEndpoint",
        replaces="regenerateKeys",
        asks="keyType",
        length=32,
        whole_address=True,
        children=("authorizationRules", "queues/authorizationRules", "topics/authorizationRules"),
    ),
    Contract(
        "Microsoft.EventHub/namespaces",
        ("2017-04-01", "2021-11-01", "2024-01-01", "2026-01-01"),
        RULE,
        "{name}.servicebus.windows.net",
        "serviceBusEndpoint",
        replaces="regenerateKeys",
        asks="keyType",
        length=32,
        whole_address=True,
        children=("authorizationRules", "eventhubs/authorizationRules"),
    ),
    Contract(
        "Microsoft.CognitiveServices/accounts",
        ("2023-05-01", "2024-10-01", "2025-06-01", "2025-09-01"),
        {"key1": "Key1", "key2": "Key2"},
        "{name}.cognitiveservices.azure.com",
        "endpoint",
        form="letters",
        length=84,
        keyless="refuses",
        whole_address=True,
        probe=Probe("GET", "/openai/deployments", ("2022-12-01", "2023-03-15-preview")),
    ),
    Contract(
        "Microsoft.Search/searchServices",
        ("2023-11-01", "2025-05-01"),
        LOWER,
        "{name}.search.windows.net",
        "endpoint",
        lists="listAdminKeys",
        replaces="regenerateAdminKey",
        asks="",
        form="letters",
        length=52,
        whole_address=True,
        # SearchServiceProperties of 2023-11-01 has no endpoint, the examples of 2025-05-01 do.
        told_since="2025-05-01",
        probe=Probe("GET", "/servicestats", ("2023-11-01", "2024-07-01")),
    ),
    Contract(
        "Microsoft.AppConfiguration/configurationStores",
        ("2023-03-01", "2024-05-01", "2024-06-01"),
        {
            name: name
            for name in ("Primary", "Secondary", "Primary Read Only", "Secondary Read Only")
        },
        "{name}.azconfig.io",
        "endpoint",
        asks="id",
        replies="one",
        length=32,
        keyless="empties",
        times=True,
        whole_address=True,
        probe=Probe("GET", "/kv", ("1.0", "2023-10-01", "2023-11-01")),
    ),
    Contract(
        "Microsoft.ContainerRegistry/registries",
        ("2023-07-01", "2025-04-01", "2025-11-01"),
        {"password": "password", "password2": "password2"},
        "{name}-a1b2c3.azurecr.io",
        "loginServer",
        lists="listCredentials",
        replaces="regenerateCredential",
        asks="name",
        form="letters",
        length=52,
        switch="adminUserEnabled",
        off=False,
        on=True,
        keyless="refuses",
        probe=Probe("GET", "/v2/"),
    ),
    Contract(
        "Microsoft.Batch/batchAccounts",
        ("2024-07-01", "2025-06-01"),
        {"primary": "Primary", "secondary": "Secondary"},
        "{name}.westeurope.batch.azure.com",
        "accountEndpoint",
        replaces="regenerateKeys",
        switch="allowedAuthenticationModes",
        off=["AAD", "TaskAuthenticationToken"],
        on=["SharedKey", "AAD", "TaskAuthenticationToken"],
        keyless="refuses",
        probe=Probe("GET", "/applications", ("2024-02-01.19.0", "2024-07-01.20.0")),
    ),
    Contract(
        "Microsoft.Communication/communicationServices",
        ("2023-04-01", "2025-09-01"),
        TWO,
        "{name}.europe.communication.azure.com",
        "hostName",
        asks="keyType",
        replies="one",
        probe=Probe("GET", "/phoneNumbers", ("2022-12-01",)),
    ),
    Contract(
        "Microsoft.Maps/accounts",
        ("2023-06-01",),
        LOWER,
        "atlas.microsoft.com",
        "",
        asks="keyType",
        form="letters",
        length=84,
        times=True,
        probe=Probe("GET", "/timezone/enumWindows/json", ("1.0",)),
    ),
    Contract(
        "Microsoft.SignalRService/signalR",
        ("2023-02-01", "2024-03-01"),
        TWO,
        "{name}.service.signalr.net",
        "hostName",
        asks="keyType",
        replies="nothing",
        length=32,
        probe=Probe("HEAD", CONNECTION, ("2022-06-01",)),
    ),
    Contract(
        "Microsoft.SignalRService/webPubSub",
        ("2023-02-01", "2024-03-01"),
        TWO,
        "{name}.webpubsub.azure.com",
        "hostName",
        asks="keyType",
        replies="nothing",
        length=32,
        probe=Probe("HEAD", CONNECTION, ("2021-10-01", "2022-11-01", "2024-12-01")),
    ),
    Contract(
        "Microsoft.DocumentDB/databaseAccounts",
        ("2024-11-15", "2026-03-15"),
        {
            "primaryMasterKey": "primary",
            "secondaryMasterKey": "secondary",
            "primaryReadonlyMasterKey": "primaryReadonly",
            "secondaryReadonlyMasterKey": "secondaryReadonly",
        },
        "{name}.documents.azure.com",
        "documentEndpoint",
        asks="keyKind",
        replies="nothing",
        times=True,
        whole_address=True,
        probe=Probe("GET", "/dbs"),
    ),
    Contract(
        "Microsoft.Relay/namespaces",
        ("2017-04-01", "2021-11-01", "2024-01-01", "2026-01-01"),
        RULE,
        "{name}.servicebus.windows.net",
        "serviceBusEndpoint",
        replaces="regenerateKeys",
        asks="keyType",
        length=32,
        switch="",
        whole_address=True,
        children=(
            "authorizationRules",
            "hybridConnections/authorizationRules",
            "wcfRelays/authorizationRules",
        ),
    ),
    Contract(
        "Microsoft.NotificationHubs/namespaces",
        ("2017-04-01", "2023-09-01"),
        RULE,
        "{name}.servicebus.windows.net",
        "serviceBusEndpoint",
        replaces="regenerateKeys",
        asks="policyKey",
        length=32,
        switch="",
        whole_address=True,
        children=("authorizationRules", "notificationHubs/authorizationRules"),
    ),
    Contract(
        "Microsoft.EventGrid/topics",
        ("2022-06-15", "2025-02-15"),
        BOTH,
        "{name}.westeurope-1.eventgrid.azure.net",
        "endpoint",
        replies="nothing",
        length=32,
        whole_address=True,
        probe=EVENTS,
    ),
    Contract(
        "Microsoft.EventGrid/domains",
        ("2022-06-15", "2025-02-15"),
        BOTH,
        "{name}.westeurope-1.eventgrid.azure.net",
        "endpoint",
        length=32,
        whole_address=True,
        probe=EVENTS,
    ),
    Contract(
        "Microsoft.EventGrid/partnerNamespaces",
        ("2022-06-15", "2025-02-15"),
        BOTH,
        "{name}.westeurope-1.eventgrid.azure.net",
        "endpoint",
        length=32,
        whole_address=True,
        probe=EVENTS,
    ),
    Contract(
        "Microsoft.EventGrid/namespaces",
        ("2025-02-15",),
        BOTH,
        "{name}.westeurope-1.eventgrid.azure.net",
        "hostname",
        replies="nothing",
        takes=1.0,
        length=32,
        switch="",
        kept="topicsConfiguration",
        probe=Probe(
            "POST",
            "/topics/[^/]+:publish",
            ("2023-11-01", "2024-06-01"),
            r"application/cloudevents(-batch)?\+json",
        ),
    ),
    Contract(
        "Microsoft.ApiManagement/service",
        ("2022-08-01", "2024-05-01"),
        TWO,
        "{name}.azure-api.net",
        "gatewayUrl",
        lists="listSecrets",
        replaces="regeneratePrimaryKey",
        asks="",
        replies="empty",
        form="hex",
        length=32,
        switch="state",
        off="suspended",
        on="active",
        whole_address=True,
        switched_below=True,
        children=("subscriptions",),
    ),
    Contract(
        "Microsoft.Cache/redis",
        ("2023-08-01", "2024-03-01", "2024-11-01"),
        TWO,
        "{name}.redis.cache.windows.net",
        "hostName",
        asks="keyType",
        length=32,
        switch="disableAccessKeyAuthentication",
        port=6380,
    ),
    Contract(
        "Microsoft.Cache/redisEnterprise",
        ("2024-02-01", "2024-10-01", "2025-04-01", "2025-07-01"),
        TWO,
        "{name}.westeurope.redis.azure.net",
        "hostName",
        asks="keyType",
        replies="nothing",
        length=32,
        switch="accessKeysAuthentication",
        off="Disabled",
        on="Enabled",
        port=10000,
        switched_below=True,
        children=("databases",),
    ),
)
DERIVED = json.loads((Path(__file__).parent / "derived.json").read_text())["contracts"]
CONTRACTS = (*WRITTEN, *(Contract(**contract) for contract in DERIVED))
"""Those that are written down here first; the others follow from what a user of Azure assumes."""
BY_KIND = {contract.kind.lower(): contract for contract in CONTRACTS}
