// What the app may do to the sources and consumers in one resource group: the roles of source-roles.bicep, each where it is needed.

import { roleId } from '../names.bicep'
import { grant } from '../types.bicep'

@description('Object id of the app\'s identity.')
param appPrincipalId string

@description('Id of the app\'s identity, which tells this deployment\'s roles from another\'s.')
param owner string

@description('The rights at sources and consumers in this group.')
param grants grant[]

var roles = union(map(grants, one => one.role), [])
// In the form that Azure gives back, whatever the scope of the definition.
var roleIds = toObject(
  roles,
  role => role,
  role => subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleId(resourceGroup().id, owner, role))
)
var whole = filter(grants, one => empty(one.resource))
var single = filter(grants, one => !empty(one.resource))
var accountNames = map(filter(single, one => one.role == 'storage-keys'), one => one.resource)
var serverNames = map(filter(single, one => one.role == 'sql-administrator'), one => one.resource)
var siteNames = map(filter(single, one => one.role == 'web-references'), one => one.resource)
var containerNames = map(filter(single, one => one.role == 'container-revisions'), one => one.resource)

resource inGroup 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for one in whole: {
    name: guid(resourceGroup().id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

resource accounts 'Microsoft.Storage/storageAccounts@2023-05-01' existing = [for name in accountNames: { name: name }]

resource atAccounts 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in accountNames: {
    scope: accounts[index]
    name: guid(accounts[index].id, appPrincipalId, 'storage-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['storage-keys']
    }
  }
]

resource servers 'Microsoft.Sql/servers@2023-08-01' existing = [for name in serverNames: { name: name }]

resource atServers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in serverNames: {
    scope: servers[index]
    name: guid(servers[index].id, appPrincipalId, 'sql-administrator')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['sql-administrator']
    }
  }
]

resource sites 'Microsoft.Web/sites@2024-04-01' existing = [for name in siteNames: { name: name }]

resource atSites 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in siteNames: {
    scope: sites[index]
    name: guid(sites[index].id, appPrincipalId, 'web-references')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['web-references']
    }
  }
]

resource containers 'Microsoft.App/containerApps@2025-01-01' existing = [for name in containerNames: { name: name }]

resource atContainers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in containerNames: {
    scope: containers[index]
    name: guid(containers[index].id, appPrincipalId, 'container-revisions')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['container-revisions']
    }
  }
]

var serviceBusKeyNames = map(filter(single, one => one.role == 'service-bus-keys'), one => one.resource)

resource serviceBusKeySources 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = [
  for name in serviceBusKeyNames: { name: name }
]

resource atServiceBusKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in serviceBusKeyNames: {
    scope: serviceBusKeySources[index]
    name: guid(serviceBusKeySources[index].id, appPrincipalId, 'service-bus-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['service-bus-keys']
    }
  }
]

var eventHubsKeyNames = map(filter(single, one => one.role == 'event-hubs-keys'), one => one.resource)

resource eventHubsKeySources 'Microsoft.EventHub/namespaces@2024-01-01' existing = [
  for name in eventHubsKeyNames: { name: name }
]

resource atEventHubsKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in eventHubsKeyNames: {
    scope: eventHubsKeySources[index]
    name: guid(eventHubsKeySources[index].id, appPrincipalId, 'event-hubs-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['event-hubs-keys']
    }
  }
]

var aiServicesKeyNames = map(filter(single, one => one.role == 'ai-services-keys'), one => one.resource)

resource aiServicesKeySources 'Microsoft.CognitiveServices/accounts@2024-10-01' existing = [
  for name in aiServicesKeyNames: { name: name }
]

resource atAiServicesKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in aiServicesKeyNames: {
    scope: aiServicesKeySources[index]
    name: guid(aiServicesKeySources[index].id, appPrincipalId, 'ai-services-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['ai-services-keys']
    }
  }
]

var searchAdminKeyNames = map(filter(single, one => one.role == 'search-admin-keys'), one => one.resource)

resource searchAdminKeySources 'Microsoft.Search/searchServices@2023-11-01' existing = [
  for name in searchAdminKeyNames: { name: name }
]

resource atSearchAdminKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in searchAdminKeyNames: {
    scope: searchAdminKeySources[index]
    name: guid(searchAdminKeySources[index].id, appPrincipalId, 'search-admin-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['search-admin-keys']
    }
  }
]

var appConfigurationKeyNames = map(filter(single, one => one.role == 'app-configuration-keys'), one => one.resource)

resource appConfigurationKeySources 'Microsoft.AppConfiguration/configurationStores@2024-06-01' existing = [
  for name in appConfigurationKeyNames: { name: name }
]

resource atAppConfigurationKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in appConfigurationKeyNames: {
    scope: appConfigurationKeySources[index]
    name: guid(appConfigurationKeySources[index].id, appPrincipalId, 'app-configuration-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['app-configuration-keys']
    }
  }
]

var containerRegistryPasswordNames = map(
  filter(single, one => one.role == 'container-registry-passwords'),
  one => one.resource
)

resource containerRegistryPasswordSources 'Microsoft.ContainerRegistry/registries@2023-07-01' existing = [
  for name in containerRegistryPasswordNames: { name: name }
]

resource atContainerRegistryPassword 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in containerRegistryPasswordNames: {
    scope: containerRegistryPasswordSources[index]
    name: guid(containerRegistryPasswordSources[index].id, appPrincipalId, 'container-registry-passwords')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['container-registry-passwords']
    }
  }
]

var batchKeyNames = map(filter(single, one => one.role == 'batch-keys'), one => one.resource)

resource batchKeySources 'Microsoft.Batch/batchAccounts@2024-07-01' existing = [
  for name in batchKeyNames: { name: name }
]

resource atBatchKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in batchKeyNames: {
    scope: batchKeySources[index]
    name: guid(batchKeySources[index].id, appPrincipalId, 'batch-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['batch-keys']
    }
  }
]

var communicationKeyNames = map(filter(single, one => one.role == 'communication-keys'), one => one.resource)

resource communicationKeySources 'Microsoft.Communication/communicationServices@2023-04-01' existing = [
  for name in communicationKeyNames: { name: name }
]

resource atCommunicationKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in communicationKeyNames: {
    scope: communicationKeySources[index]
    name: guid(communicationKeySources[index].id, appPrincipalId, 'communication-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['communication-keys']
    }
  }
]

var mapsKeyNames = map(filter(single, one => one.role == 'maps-keys'), one => one.resource)

resource mapsKeySources 'Microsoft.Maps/accounts@2023-06-01' existing = [for name in mapsKeyNames: { name: name }]

resource atMapsKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in mapsKeyNames: {
    scope: mapsKeySources[index]
    name: guid(mapsKeySources[index].id, appPrincipalId, 'maps-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['maps-keys']
    }
  }
]

var signalrKeyNames = map(filter(single, one => one.role == 'signalr-keys'), one => one.resource)

resource signalrKeySources 'Microsoft.SignalRService/signalR@2024-03-01' existing = [
  for name in signalrKeyNames: { name: name }
]

resource atSignalrKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in signalrKeyNames: {
    scope: signalrKeySources[index]
    name: guid(signalrKeySources[index].id, appPrincipalId, 'signalr-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['signalr-keys']
    }
  }
]

var webPubsubKeyNames = map(filter(single, one => one.role == 'web-pubsub-keys'), one => one.resource)

resource webPubsubKeySources 'Microsoft.SignalRService/webPubSub@2024-03-01' existing = [
  for name in webPubsubKeyNames: { name: name }
]

resource atWebPubsubKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in webPubsubKeyNames: {
    scope: webPubsubKeySources[index]
    name: guid(webPubsubKeySources[index].id, appPrincipalId, 'web-pubsub-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['web-pubsub-keys']
    }
  }
]

var cosmosDbKeyNames = map(filter(single, one => one.role == 'cosmos-db-keys'), one => one.resource)

resource cosmosDbKeySources 'Microsoft.DocumentDB/databaseAccounts@2024-11-15' existing = [
  for name in cosmosDbKeyNames: { name: name }
]

resource atCosmosDbKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in cosmosDbKeyNames: {
    scope: cosmosDbKeySources[index]
    name: guid(cosmosDbKeySources[index].id, appPrincipalId, 'cosmos-db-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['cosmos-db-keys']
    }
  }
]

var relayKeyNames = map(filter(single, one => one.role == 'relay-keys'), one => one.resource)

resource relayKeySources 'Microsoft.Relay/namespaces@2024-01-01' existing = [for name in relayKeyNames: { name: name }]

resource atRelayKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in relayKeyNames: {
    scope: relayKeySources[index]
    name: guid(relayKeySources[index].id, appPrincipalId, 'relay-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['relay-keys']
    }
  }
]

var notificationHubsKeyNames = map(filter(single, one => one.role == 'notification-hubs-keys'), one => one.resource)

resource notificationHubsKeySources 'Microsoft.NotificationHubs/namespaces@2023-09-01' existing = [
  for name in notificationHubsKeyNames: { name: name }
]

resource atNotificationHubsKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in notificationHubsKeyNames: {
    scope: notificationHubsKeySources[index]
    name: guid(notificationHubsKeySources[index].id, appPrincipalId, 'notification-hubs-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['notification-hubs-keys']
    }
  }
]

var eventGridTopicKeyNames = map(
  filter(single, one => one.role == 'event-grid-keys' && one.type == 'microsoft.eventgrid/topics'),
  one => one.resource
)

resource eventGridTopicKeySources 'Microsoft.EventGrid/topics@2025-02-15' existing = [
  for name in eventGridTopicKeyNames: { name: name }
]

resource atEventGridTopicKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in eventGridTopicKeyNames: {
    scope: eventGridTopicKeySources[index]
    name: guid(eventGridTopicKeySources[index].id, appPrincipalId, 'event-grid-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['event-grid-keys']
    }
  }
]

var eventGridDomainKeyNames = map(
  filter(single, one => one.role == 'event-grid-keys' && one.type == 'microsoft.eventgrid/domains'),
  one => one.resource
)

resource eventGridDomainKeySources 'Microsoft.EventGrid/domains@2025-02-15' existing = [
  for name in eventGridDomainKeyNames: { name: name }
]

resource atEventGridDomainKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in eventGridDomainKeyNames: {
    scope: eventGridDomainKeySources[index]
    name: guid(eventGridDomainKeySources[index].id, appPrincipalId, 'event-grid-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['event-grid-keys']
    }
  }
]

var eventGridNamespaceKeyNames = map(
  filter(single, one => one.role == 'event-grid-keys' && one.type == 'microsoft.eventgrid/namespaces'),
  one => one.resource
)

resource eventGridNamespaceKeySources 'Microsoft.EventGrid/namespaces@2025-02-15' existing = [
  for name in eventGridNamespaceKeyNames: { name: name }
]

resource atEventGridNamespaceKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in eventGridNamespaceKeyNames: {
    scope: eventGridNamespaceKeySources[index]
    name: guid(eventGridNamespaceKeySources[index].id, appPrincipalId, 'event-grid-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['event-grid-keys']
    }
  }
]

var apiManagementKeyNames = map(filter(single, one => one.role == 'api-management-keys'), one => one.resource)

resource apiManagementKeySources 'Microsoft.ApiManagement/service@2024-05-01' existing = [
  for name in apiManagementKeyNames: { name: name }
]

resource atApiManagementKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in apiManagementKeyNames: {
    scope: apiManagementKeySources[index]
    name: guid(apiManagementKeySources[index].id, appPrincipalId, 'api-management-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['api-management-keys']
    }
  }
]

var redisKeyNames = map(
  filter(single, one => one.role == 'redis-keys' && one.type == 'microsoft.cache/redis'),
  one => one.resource
)

resource redisKeySources 'Microsoft.Cache/redis@2024-11-01' existing = [for name in redisKeyNames: { name: name }]

resource atRedisKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in redisKeyNames: {
    scope: redisKeySources[index]
    name: guid(redisKeySources[index].id, appPrincipalId, 'redis-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['redis-keys']
    }
  }
]

var managedRedisKeyNames = map(
  filter(single, one => one.role == 'redis-keys' && one.type == 'microsoft.cache/redisenterprise'),
  one => one.resource
)

resource managedRedisKeySources 'Microsoft.Cache/redisEnterprise@2025-04-01' existing = [
  for name in managedRedisKeyNames: { name: name }
]

resource atManagedRedisKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in managedRedisKeyNames: {
    scope: managedRedisKeySources[index]
    name: guid(managedRedisKeySources[index].id, appPrincipalId, 'redis-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['redis-keys']
    }
  }
]

var postgresqlAdminPasswordNames = map(
  filter(single, one => one.role == 'postgresql-admin-passwords'),
  one => one.resource
)

resource postgresqlAdminPasswordSources 'Microsoft.DBforPostgreSQL/flexibleServers@2024-08-01' existing = [
  for name in postgresqlAdminPasswordNames: { name: name }
]

resource atPostgresqlAdminPassword 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in postgresqlAdminPasswordNames: {
    scope: postgresqlAdminPasswordSources[index]
    name: guid(postgresqlAdminPasswordSources[index].id, appPrincipalId, 'postgresql-admin-passwords')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['postgresql-admin-passwords']
    }
  }
]

var postgresqlRolePasswordNames = map(
  filter(single, one => one.role == 'postgresql-role-passwords'),
  one => one.resource
)

resource postgresqlRolePasswordSources 'Microsoft.DBforPostgreSQL/flexibleServers@2024-08-01' existing = [
  for name in postgresqlRolePasswordNames: { name: name }
]

resource atPostgresqlRolePassword 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in postgresqlRolePasswordNames: {
    scope: postgresqlRolePasswordSources[index]
    name: guid(postgresqlRolePasswordSources[index].id, appPrincipalId, 'postgresql-role-passwords')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['postgresql-role-passwords']
    }
  }
]

var mysqlAdminPasswordNames = map(filter(single, one => one.role == 'mysql-admin-passwords'), one => one.resource)

resource mysqlAdminPasswordSources 'Microsoft.DBforMySQL/flexibleServers@2024-12-30' existing = [
  for name in mysqlAdminPasswordNames: { name: name }
]

resource atMysqlAdminPassword 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in mysqlAdminPasswordNames: {
    scope: mysqlAdminPasswordSources[index]
    name: guid(mysqlAdminPasswordSources[index].id, appPrincipalId, 'mysql-admin-passwords')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['mysql-admin-passwords']
    }
  }
]

var mysqlUserPasswordNames = map(filter(single, one => one.role == 'mysql-user-passwords'), one => one.resource)

resource mysqlUserPasswordSources 'Microsoft.DBforMySQL/flexibleServers@2024-12-30' existing = [
  for name in mysqlUserPasswordNames: { name: name }
]

resource atMysqlUserPassword 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in mysqlUserPasswordNames: {
    scope: mysqlUserPasswordSources[index]
    name: guid(mysqlUserPasswordSources[index].id, appPrincipalId, 'mysql-user-passwords')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['mysql-user-passwords']
    }
  }
]
