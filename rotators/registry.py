"""Every kind of credential that Rekey rotates: one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cloud.azure import Azure
from engine.contract import Rotator
from engine.ports import Clock
from rotators.ai_services_key import AiServicesKey
from rotators.api_management_key import ApiManagementKey
from rotators.app_configuration_key import AppConfigurationKey
from rotators.batch_key import BatchKey
from rotators.communication_key import CommunicationKey
from rotators.container_registry_password import ContainerRegistryPassword
from rotators.cosmos_db_key import CosmosDbKey
from rotators.event_grid_key import EventGridKey
from rotators.event_hubs_key import EventHubsKey
from rotators.event_hubs_sas import EventHubsSas
from rotators.maps_key import MapsKey
from rotators.mysql_admin_password import MysqlAdminPassword
from rotators.mysql_user_password import MysqlUserPassword
from rotators.notification_hubs_key import NotificationHubsKey
from rotators.postgresql_admin_password import PostgresqlAdminPassword
from rotators.postgresql_role_password import PostgresqlRolePassword
from rotators.redis_key import RedisKey
from rotators.relay_key import RelayKey
from rotators.search_admin_key import SearchAdminKey
from rotators.service_bus_key import ServiceBusKey
from rotators.service_bus_sas import ServiceBusSas
from rotators.service_principal_certificate import ServicePrincipalCertificate
from rotators.service_principal_secret import ServicePrincipalSecret
from rotators.signalr_key import SignalRKey
from rotators.sql_admin_password import SqlAdminPassword
from rotators.sql_login_password import SqlLoginPassword
from rotators.storage_key import StorageKey
from rotators.storage_sas import StorageSas
from rotators.web_pubsub_key import WebPubSubKey

type Maker = Callable[[Azure, Clock], Rotator]

ROTATORS: tuple[Maker, ...] = (
    StorageKey,
    StorageSas,
    ServiceBusSas,
    EventHubsSas,
    ServicePrincipalSecret,
    SqlAdminPassword,
    SqlLoginPassword,
    ServiceBusKey,
    EventHubsKey,
    AiServicesKey,
    SearchAdminKey,
    AppConfigurationKey,
    ContainerRegistryPassword,
    BatchKey,
    CommunicationKey,
    MapsKey,
    SignalRKey,
    WebPubSubKey,
    CosmosDbKey,
    RelayKey,
    NotificationHubsKey,
    EventGridKey,
    ApiManagementKey,
    RedisKey,
    PostgresqlAdminPassword,
    PostgresqlRolePassword,
    MysqlAdminPassword,
    MysqlUserPassword,
    ServicePrincipalCertificate,
)


def build(azure: Azure, clock: Clock, makers: Sequence[Maker] = ROTATORS) -> Mapping[str, Rotator]:
    """Return one rotator of every kind, by kind; raises ValueError if two share a name."""
    rotators = [make(azure, clock) for make in makers]
    by_kind = {rotator.kind: rotator for rotator in rotators}
    if len(by_kind) != len(rotators):
        raise ValueError("two rotators share a kind")
    return by_kind
