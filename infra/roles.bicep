// What each custom role for sources and consumers holds. docs/permissions.md says why, and what happens without it.

import { sourceRole } from 'types.bicep'

@export()
@description('The actions of a role, and nothing else.')
func roleActions(role sourceRole) string[] =>
  {
    'storage-keys': [
      'Microsoft.Storage/storageAccounts/read'
      'Microsoft.Storage/storageAccounts/listKeys/action'
      'Microsoft.Storage/storageAccounts/regenerateKey/action'
    ]
    'sql-administrator': [
      'Microsoft.Sql/servers/read'
      'Microsoft.Sql/servers/write'
      'Microsoft.Sql/servers/azureADOnlyAuthentications/read'
    ]
    // The action that refreshes references is in no list of Azure's, and a role may name listed ones only: so all, but those below.
    'web-references': [
      'Microsoft.Web/sites/config/read'
      'Microsoft.Web/sites/config/appsettings/read'
      'Microsoft.Web/sites/config/*/action'
      'Microsoft.Web/sites/slots/config/read'
      'Microsoft.Web/sites/slots/config/appsettings/read'
      'Microsoft.Web/sites/slots/config/*/action'
    ]
    'container-revisions': [
      'Microsoft.App/containerApps/read'
      'Microsoft.App/containerApps/write'
      'Microsoft.App/containerApps/revisions/read'
    ]
    'service-bus-keys': [
      'Microsoft.ServiceBus/namespaces/read'
      'Microsoft.ServiceBus/namespaces/authorizationRules/listKeys/action'
      'Microsoft.ServiceBus/namespaces/authorizationRules/regenerateKeys/action'
      'Microsoft.ServiceBus/namespaces/queues/authorizationRules/listKeys/action'
      'Microsoft.ServiceBus/namespaces/queues/authorizationRules/regenerateKeys/action'
      'Microsoft.ServiceBus/namespaces/topics/authorizationRules/listKeys/action'
      'Microsoft.ServiceBus/namespaces/topics/authorizationRules/regenerateKeys/action'
    ]
    'event-hubs-keys': [
      'Microsoft.EventHub/namespaces/read'
      'Microsoft.EventHub/namespaces/authorizationRules/listKeys/action'
      'Microsoft.EventHub/namespaces/authorizationRules/regenerateKeys/action'
      'Microsoft.EventHub/namespaces/eventhubs/authorizationRules/listKeys/action'
      'Microsoft.EventHub/namespaces/eventhubs/authorizationRules/regenerateKeys/action'
    ]
    'ai-services-keys': [
      'Microsoft.CognitiveServices/accounts/read'
      'Microsoft.CognitiveServices/accounts/listKeys/action'
      'Microsoft.CognitiveServices/accounts/regenerateKey/action'
    ]
    'search-admin-keys': [
      'Microsoft.Search/searchServices/read'
      'Microsoft.Search/searchServices/listAdminKeys/action'
      'Microsoft.Search/searchServices/regenerateAdminKey/action'
    ]
    'app-configuration-keys': [
      'Microsoft.AppConfiguration/configurationStores/read'
      'Microsoft.AppConfiguration/configurationStores/listKeys/action'
      'Microsoft.AppConfiguration/configurationStores/regenerateKey/action'
    ]
    'container-registry-passwords': [
      'Microsoft.ContainerRegistry/registries/read'
      'Microsoft.ContainerRegistry/registries/listCredentials/action'
      'Microsoft.ContainerRegistry/registries/regenerateCredential/action'
    ]
    'batch-keys': [
      'Microsoft.Batch/batchAccounts/read'
      'Microsoft.Batch/batchAccounts/listKeys/action'
      'Microsoft.Batch/batchAccounts/regenerateKeys/action'
    ]
    'communication-keys': [
      'Microsoft.Communication/communicationServices/read'
      'Microsoft.Communication/communicationServices/listKeys/action'
      'Microsoft.Communication/communicationServices/regenerateKey/action'
    ]
    'maps-keys': [
      'Microsoft.Maps/accounts/read'
      'Microsoft.Maps/accounts/listKeys/action'
      'Microsoft.Maps/accounts/regenerateKey/action'
    ]
    'signalr-keys': [
      'Microsoft.SignalRService/signalR/read'
      'Microsoft.SignalRService/signalR/listKeys/action'
      'Microsoft.SignalRService/signalR/regenerateKey/action'
    ]
    'web-pubsub-keys': [
      'Microsoft.SignalRService/webPubSub/read'
      'Microsoft.SignalRService/webPubSub/listKeys/action'
      'Microsoft.SignalRService/webPubSub/regenerateKey/action'
    ]
    'cosmos-db-keys': [
      'Microsoft.DocumentDB/databaseAccounts/read'
      'Microsoft.DocumentDB/databaseAccounts/listKeys/action'
      'Microsoft.DocumentDB/databaseAccounts/regenerateKey/action'
    ]
    'relay-keys': [
      'Microsoft.Relay/namespaces/read'
      'Microsoft.Relay/namespaces/authorizationRules/listKeys/action'
      'Microsoft.Relay/namespaces/authorizationRules/regenerateKeys/action'
    ]
    'notification-hubs-keys': [
      'Microsoft.NotificationHubs/namespaces/read'
      'Microsoft.NotificationHubs/namespaces/authorizationRules/listKeys/action'
      'Microsoft.NotificationHubs/namespaces/authorizationRules/regenerateKeys/action'
      'Microsoft.NotificationHubs/namespaces/notificationHubs/authorizationRules/listKeys/action'
      'Microsoft.NotificationHubs/namespaces/notificationHubs/authorizationRules/regenerateKeys/action'
    ]
    'event-grid-keys': [
      'Microsoft.EventGrid/topics/read'
      'Microsoft.EventGrid/domains/read'
      'Microsoft.EventGrid/namespaces/read'
      'Microsoft.EventGrid/topics/listKeys/action'
      'Microsoft.EventGrid/topics/regenerateKey/action'
      'Microsoft.EventGrid/domains/listKeys/action'
      'Microsoft.EventGrid/domains/regenerateKey/action'
      'Microsoft.EventGrid/namespaces/listKeys/action'
      'Microsoft.EventGrid/namespaces/regenerateKey/action'
    ]
    'api-management-keys': [
      'Microsoft.ApiManagement/service/read'
      'Microsoft.ApiManagement/service/subscriptions/read'
      'Microsoft.ApiManagement/service/apis/read'
      'Microsoft.ApiManagement/service/subscriptions/regenerateSecondaryKey/action'
      'Microsoft.ApiManagement/service/subscriptions/listSecrets/action'
      'Microsoft.ApiManagement/service/subscriptions/regeneratePrimaryKey/action'
    ]
    'redis-keys': [
      'Microsoft.Cache/redis/read'
      'Microsoft.Cache/redisEnterprise/read'
      'Microsoft.Cache/redisEnterprise/databases/read'
      'Microsoft.Cache/redis/listKeys/action'
      'Microsoft.Cache/redis/regenerateKey/action'
      'Microsoft.Cache/redisEnterprise/databases/listKeys/action'
      'Microsoft.Cache/redisEnterprise/databases/regenerateKey/action'
    ]
    'postgresql-admin-passwords': [
      'Microsoft.DBforPostgreSQL/flexibleServers/read'
      'Microsoft.DBforPostgreSQL/flexibleServers/write'
    ]
    'postgresql-role-passwords': [
      'Microsoft.DBforPostgreSQL/flexibleServers/read'
    ]
    'mysql-admin-passwords': [
      'Microsoft.DBforMySQL/flexibleServers/read'
      'Microsoft.DBforMySQL/flexibleServers/write'
      'Microsoft.DBforMySQL/flexibleServers/configurations/read'
    ]
    'mysql-user-passwords': [
      'Microsoft.DBforMySQL/flexibleServers/read'
      'Microsoft.DBforMySQL/flexibleServers/configurations/read'
    ]
  }[role]

@export()
@description('The actions that a role leaves out: those that show settings with their values.')
func roleExceptions(role sourceRole) string[] =>
  role == 'web-references'
    ? [
        'Microsoft.Web/sites/config/list/action'
        'Microsoft.Web/sites/config/snapshots/listsecrets/action'
        'Microsoft.Web/sites/slots/config/list/action'
        'Microsoft.Web/sites/slots/config/snapshots/listsecrets/action'
      ]
    : []

@export()
@description('What a role is for, as the portal shows it.')
func roleSummary(role sourceRole) string =>
  {
    'storage-keys': 'Lets Rekey read, list and regenerate the keys of storage accounts.'
    'sql-administrator': 'Lets Rekey set the administrator\'s password of SQL servers.'
    'web-references': 'Lets Rekey refresh the Key Vault references of App Service and Functions apps.'
    'container-revisions': 'Lets Rekey give Container Apps a new revision.'
    'service-bus-keys': 'Lets Rekey list and regenerate the keys of Service Bus rules.'
    'event-hubs-keys': 'Lets Rekey list and regenerate the keys of Event Hubs rules.'
    'ai-services-keys': 'Lets Rekey list and regenerate the keys of AI services accounts.'
    'search-admin-keys': 'Lets Rekey list and regenerate the admin keys of search services.'
    'app-configuration-keys': 'Lets Rekey list and regenerate the keys of App Configuration stores.'
    'container-registry-passwords': 'Lets Rekey list and regenerate the passwords of registries\' admin users.'
    'batch-keys': 'Lets Rekey list and regenerate the keys of Batch accounts.'
    'communication-keys': 'Lets Rekey list and regenerate the keys of Communication Services.'
    'maps-keys': 'Lets Rekey list and regenerate the keys of Azure Maps accounts.'
    'signalr-keys': 'Lets Rekey list and regenerate the keys of SignalR services.'
    'web-pubsub-keys': 'Lets Rekey list and regenerate the keys of Web PubSub services.'
    'cosmos-db-keys': 'Lets Rekey list and regenerate the keys of Cosmos DB accounts.'
    'relay-keys': 'Lets Rekey list and regenerate the keys of Relay rules.'
    'notification-hubs-keys': 'Lets Rekey list and regenerate the keys of Notification Hubs rules.'
    'event-grid-keys': 'Lets Rekey list and regenerate the keys of Event Grid topics, domains and namespaces.'
    'api-management-keys': 'Lets Rekey list and regenerate the keys of API Management subscriptions.'
    'redis-keys': 'Lets Rekey list and regenerate the access keys of Redis caches.'
    'postgresql-admin-passwords': 'Lets Rekey set the administrator\'s password of PostgreSQL servers.'
    'postgresql-role-passwords': 'Lets Rekey see whether a PostgreSQL server runs and takes passwords.'
    'mysql-admin-passwords': 'Lets Rekey set the administrator\'s password of MySQL servers.'
    'mysql-user-passwords': 'Lets Rekey see whether a MySQL server runs and takes passwords.'
  }[role]
