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

// Below, one pair for each type of resource: the resources that have a right of their own, and that right.
// <generated: `make generate` writes this from rotators/>

#disable-next-line BCP081
resource cognitiveServicesAccounts 'Microsoft.CognitiveServices/accounts@2024-10-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.cognitiveservices/accounts'): { name: one.resource }
]

resource atCognitiveServicesAccounts 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.cognitiveservices/accounts'): {
    scope: cognitiveServicesAccounts[index]
    name: guid(cognitiveServicesAccounts[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource apiManagementService 'Microsoft.ApiManagement/service@2024-05-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.apimanagement/service'): { name: one.resource }
]

resource atApiManagementService 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.apimanagement/service'): {
    scope: apiManagementService[index]
    name: guid(apiManagementService[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource appConfigurationConfigurationStores 'Microsoft.AppConfiguration/configurationStores@2024-06-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.appconfiguration/configurationstores'): { name: one.resource }
]

resource atAppConfigurationConfigurationStores 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.appconfiguration/configurationstores'): {
    scope: appConfigurationConfigurationStores[index]
    name: guid(appConfigurationConfigurationStores[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource batchBatchAccounts 'Microsoft.Batch/batchAccounts@2024-07-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.batch/batchaccounts'): { name: one.resource }
]

resource atBatchBatchAccounts 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.batch/batchaccounts'): {
    scope: batchBatchAccounts[index]
    name: guid(batchBatchAccounts[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource communicationCommunicationServices 'Microsoft.Communication/communicationServices@2023-04-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.communication/communicationservices'): { name: one.resource }
]

resource atCommunicationCommunicationServices 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.communication/communicationservices'): {
    scope: communicationCommunicationServices[index]
    name: guid(communicationCommunicationServices[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource containerRegistryRegistries 'Microsoft.ContainerRegistry/registries@2023-07-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.containerregistry/registries'): { name: one.resource }
]

resource atContainerRegistryRegistries 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.containerregistry/registries'): {
    scope: containerRegistryRegistries[index]
    name: guid(containerRegistryRegistries[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource documentDBDatabaseAccounts 'Microsoft.DocumentDB/databaseAccounts@2024-11-15' existing = [
  for one in filter(single, one => one.type == 'microsoft.documentdb/databaseaccounts'): { name: one.resource }
]

resource atDocumentDBDatabaseAccounts 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.documentdb/databaseaccounts'): {
    scope: documentDBDatabaseAccounts[index]
    name: guid(documentDBDatabaseAccounts[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource eventGridTopics 'Microsoft.EventGrid/topics@2025-02-15' existing = [
  for one in filter(single, one => one.type == 'microsoft.eventgrid/topics'): { name: one.resource }
]

resource atEventGridTopics 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.eventgrid/topics'): {
    scope: eventGridTopics[index]
    name: guid(eventGridTopics[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource eventGridDomains 'Microsoft.EventGrid/domains@2025-02-15' existing = [
  for one in filter(single, one => one.type == 'microsoft.eventgrid/domains'): { name: one.resource }
]

resource atEventGridDomains 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.eventgrid/domains'): {
    scope: eventGridDomains[index]
    name: guid(eventGridDomains[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource eventGridNamespaces 'Microsoft.EventGrid/namespaces@2025-02-15' existing = [
  for one in filter(single, one => one.type == 'microsoft.eventgrid/namespaces'): { name: one.resource }
]

resource atEventGridNamespaces 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.eventgrid/namespaces'): {
    scope: eventGridNamespaces[index]
    name: guid(eventGridNamespaces[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource eventGridPartnerNamespaces 'Microsoft.EventGrid/partnerNamespaces@2025-02-15' existing = [
  for one in filter(single, one => one.type == 'microsoft.eventgrid/partnernamespaces'): { name: one.resource }
]

resource atEventGridPartnerNamespaces 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.eventgrid/partnernamespaces'): {
    scope: eventGridPartnerNamespaces[index]
    name: guid(eventGridPartnerNamespaces[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource eventHubNamespaces 'Microsoft.EventHub/namespaces@2024-01-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.eventhub/namespaces'): { name: one.resource }
]

resource atEventHubNamespaces 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.eventhub/namespaces'): {
    scope: eventHubNamespaces[index]
    name: guid(eventHubNamespaces[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource mapsAccounts 'Microsoft.Maps/accounts@2023-06-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.maps/accounts'): { name: one.resource }
]

resource atMapsAccounts 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.maps/accounts'): {
    scope: mapsAccounts[index]
    name: guid(mapsAccounts[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource dBforMySQLFlexibleServers 'Microsoft.DBforMySQL/flexibleServers@2024-12-30' existing = [
  for one in filter(single, one => one.type == 'microsoft.dbformysql/flexibleservers'): { name: one.resource }
]

resource atDBforMySQLFlexibleServers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.dbformysql/flexibleservers'): {
    scope: dBforMySQLFlexibleServers[index]
    name: guid(dBforMySQLFlexibleServers[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource notificationHubsNamespaces 'Microsoft.NotificationHubs/namespaces@2023-09-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.notificationhubs/namespaces'): { name: one.resource }
]

resource atNotificationHubsNamespaces 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.notificationhubs/namespaces'): {
    scope: notificationHubsNamespaces[index]
    name: guid(notificationHubsNamespaces[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource dBforPostgreSQLFlexibleServers 'Microsoft.DBforPostgreSQL/flexibleServers@2024-08-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.dbforpostgresql/flexibleservers'): { name: one.resource }
]

resource atDBforPostgreSQLFlexibleServers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.dbforpostgresql/flexibleservers'): {
    scope: dBforPostgreSQLFlexibleServers[index]
    name: guid(dBforPostgreSQLFlexibleServers[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource cacheRedis 'Microsoft.Cache/redis@2024-11-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.cache/redis'): { name: one.resource }
]

resource atCacheRedis 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.cache/redis'): {
    scope: cacheRedis[index]
    name: guid(cacheRedis[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource cacheRedisEnterprise 'Microsoft.Cache/redisEnterprise@2025-04-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.cache/redisenterprise'): { name: one.resource }
]

resource atCacheRedisEnterprise 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.cache/redisenterprise'): {
    scope: cacheRedisEnterprise[index]
    name: guid(cacheRedisEnterprise[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource relayNamespaces 'Microsoft.Relay/namespaces@2024-01-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.relay/namespaces'): { name: one.resource }
]

resource atRelayNamespaces 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.relay/namespaces'): {
    scope: relayNamespaces[index]
    name: guid(relayNamespaces[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource searchSearchServices 'Microsoft.Search/searchServices@2023-11-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.search/searchservices'): { name: one.resource }
]

resource atSearchSearchServices 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.search/searchservices'): {
    scope: searchSearchServices[index]
    name: guid(searchSearchServices[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource serviceBusNamespaces 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.servicebus/namespaces'): { name: one.resource }
]

resource atServiceBusNamespaces 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.servicebus/namespaces'): {
    scope: serviceBusNamespaces[index]
    name: guid(serviceBusNamespaces[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource signalRServiceSignalR 'Microsoft.SignalRService/signalR@2023-02-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.signalrservice/signalr'): { name: one.resource }
]

resource atSignalRServiceSignalR 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.signalrservice/signalr'): {
    scope: signalRServiceSignalR[index]
    name: guid(signalRServiceSignalR[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource storageStorageAccounts 'Microsoft.Storage/storageAccounts@2023-05-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.storage/storageaccounts'): { name: one.resource }
]

resource atStorageStorageAccounts 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.storage/storageaccounts'): {
    scope: storageStorageAccounts[index]
    name: guid(storageStorageAccounts[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource signalRServiceWebPubSub 'Microsoft.SignalRService/webPubSub@2024-03-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.signalrservice/webpubsub'): { name: one.resource }
]

resource atSignalRServiceWebPubSub 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.signalrservice/webpubsub'): {
    scope: signalRServiceWebPubSub[index]
    name: guid(signalRServiceWebPubSub[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource sqlServers 'Microsoft.Sql/servers@2023-08-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.sql/servers'): { name: one.resource }
]

resource atSqlServers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.sql/servers'): {
    scope: sqlServers[index]
    name: guid(sqlServers[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource webSites 'Microsoft.Web/sites@2024-04-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.web/sites'): { name: one.resource }
]

resource atWebSites 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.web/sites'): {
    scope: webSites[index]
    name: guid(webSites[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

#disable-next-line BCP081
resource appContainerApps 'Microsoft.App/containerApps@2025-01-01' existing = [
  for one in filter(single, one => one.type == 'microsoft.app/containerapps'): { name: one.resource }
]

resource atAppContainerApps 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == 'microsoft.app/containerapps'): {
    scope: appContainerApps[index]
    name: guid(appContainerApps[index].id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]
// </generated>
