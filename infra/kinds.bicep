// The kinds of credentials. Generated: `make generate` writes this from rotators/.

@export()
@description('What a secret in a vault may be.')
type kind =
  | 'ai-services-key'
  | 'api-management-key'
  | 'app-configuration-key'
  | 'batch-key'
  | 'communication-key'
  | 'container-registry-password'
  | 'cosmos-db-key'
  | 'event-grid-key'
  | 'event-grid-partner-key'
  | 'event-hubs-key'
  | 'event-hubs-sas'
  | 'maps-key'
  | 'mysql-admin-password'
  | 'mysql-user-password'
  | 'notification-hubs-key'
  | 'postgresql-admin-password'
  | 'postgresql-role-password'
  | 'redis-key'
  | 'relay-key'
  | 'search-admin-key'
  | 'service-bus-key'
  | 'service-bus-sas'
  | 'service-principal-certificate'
  | 'service-principal-secret'
  | 'signalr-key'
  | 'sql-admin-password'
  | 'sql-login-password'
  | 'storage-key'
  | 'storage-sas'
  | 'web-pubsub-key'

@export()
@description('What may be done at sources.')
type keyedRole =
  | 'ai-services-keys'
  | 'api-management-keys'
  | 'app-configuration-keys'
  | 'batch-keys'
  | 'communication-keys'
  | 'container-registry-passwords'
  | 'cosmos-db-keys'
  | 'event-grid-keys'
  | 'event-grid-partner-keys'
  | 'event-hubs-keys'
  | 'maps-keys'
  | 'mysql-admin-passwords'
  | 'mysql-user-passwords'
  | 'notification-hubs-keys'
  | 'postgresql-admin-passwords'
  | 'postgresql-role-passwords'
  | 'redis-keys'
  | 'relay-keys'
  | 'search-admin-keys'
  | 'service-bus-keys'
  | 'signalr-keys'
  | 'storage-keys'
  | 'web-pubsub-keys'

@export()
@description('The kinds whose role is called as they are, with an s, and their types of resource.')
var keyedTypes = {
  'ai-services-key': ['microsoft.cognitiveservices/accounts']
  'api-management-key': ['microsoft.apimanagement/service']
  'app-configuration-key': ['microsoft.appconfiguration/configurationstores']
  'batch-key': ['microsoft.batch/batchaccounts']
  'communication-key': ['microsoft.communication/communicationservices']
  'container-registry-password': ['microsoft.containerregistry/registries']
  'cosmos-db-key': ['microsoft.documentdb/databaseaccounts']
  'event-grid-key': ['microsoft.eventgrid/topics', 'microsoft.eventgrid/domains', 'microsoft.eventgrid/namespaces']
  'event-grid-partner-key': ['microsoft.eventgrid/partnernamespaces']
  'event-hubs-key': ['microsoft.eventhub/namespaces']
  'maps-key': ['microsoft.maps/accounts']
  'mysql-admin-password': ['microsoft.dbformysql/flexibleservers']
  'mysql-user-password': ['microsoft.dbformysql/flexibleservers']
  'notification-hubs-key': ['microsoft.notificationhubs/namespaces']
  'postgresql-admin-password': ['microsoft.dbforpostgresql/flexibleservers']
  'postgresql-role-password': ['microsoft.dbforpostgresql/flexibleservers']
  'redis-key': ['microsoft.cache/redis', 'microsoft.cache/redisenterprise']
  'relay-key': ['microsoft.relay/namespaces']
  'search-admin-key': ['microsoft.search/searchservices']
  'service-bus-key': ['microsoft.servicebus/namespaces']
  'signalr-key': ['microsoft.signalrservice/signalr']
  'storage-key': ['microsoft.storage/storageaccounts']
  'web-pubsub-key': ['microsoft.signalrservice/webpubsub']
}

@export()
@description('What each of those roles permits.')
var keyedActions = {
  'ai-services-keys': [
    'Microsoft.CognitiveServices/accounts/read'
    'Microsoft.CognitiveServices/accounts/listKeys/action'
    'Microsoft.CognitiveServices/accounts/regenerateKey/action'
  ]
  'api-management-keys': [
    'Microsoft.ApiManagement/service/read'
    'Microsoft.ApiManagement/service/subscriptions/read'
    'Microsoft.ApiManagement/service/apis/read'
    'Microsoft.ApiManagement/service/subscriptions/regenerateSecondaryKey/action'
    'Microsoft.ApiManagement/service/subscriptions/listSecrets/action'
    'Microsoft.ApiManagement/service/subscriptions/regeneratePrimaryKey/action'
  ]
  'app-configuration-keys': [
    'Microsoft.AppConfiguration/configurationStores/read'
    'Microsoft.AppConfiguration/configurationStores/listKeys/action'
    'Microsoft.AppConfiguration/configurationStores/regenerateKey/action'
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
  'container-registry-passwords': [
    'Microsoft.ContainerRegistry/registries/read'
    'Microsoft.ContainerRegistry/registries/listCredentials/action'
    'Microsoft.ContainerRegistry/registries/regenerateCredential/action'
  ]
  'cosmos-db-keys': [
    'Microsoft.DocumentDB/databaseAccounts/read'
    'Microsoft.DocumentDB/databaseAccounts/listKeys/action'
    'Microsoft.DocumentDB/databaseAccounts/regenerateKey/action'
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
  'event-grid-partner-keys': [
    'Microsoft.EventGrid/partnerNamespaces/read'
    'Microsoft.EventGrid/partnerNamespaces/listKeys/action'
    'Microsoft.EventGrid/partnerNamespaces/regenerateKey/action'
  ]
  'event-hubs-keys': [
    'Microsoft.EventHub/namespaces/read'
    'Microsoft.EventHub/namespaces/authorizationRules/listKeys/action'
    'Microsoft.EventHub/namespaces/authorizationRules/regenerateKeys/action'
    'Microsoft.EventHub/namespaces/eventhubs/authorizationRules/listKeys/action'
    'Microsoft.EventHub/namespaces/eventhubs/authorizationRules/regenerateKeys/action'
  ]
  'maps-keys': [
    'Microsoft.Maps/accounts/read'
    'Microsoft.Maps/accounts/listKeys/action'
    'Microsoft.Maps/accounts/regenerateKey/action'
  ]
  'mysql-admin-passwords': [
    'Microsoft.DBforMySQL/flexibleServers/read'
    'Microsoft.DBforMySQL/flexibleServers/configurations/read'
    'Microsoft.DBforMySQL/flexibleServers/write'
  ]
  'mysql-user-passwords': [
    'Microsoft.DBforMySQL/flexibleServers/read'
    'Microsoft.DBforMySQL/flexibleServers/configurations/read'
  ]
  'notification-hubs-keys': [
    'Microsoft.NotificationHubs/namespaces/read'
    'Microsoft.NotificationHubs/namespaces/authorizationRules/listKeys/action'
    'Microsoft.NotificationHubs/namespaces/authorizationRules/regenerateKeys/action'
    'Microsoft.NotificationHubs/namespaces/notificationHubs/authorizationRules/listKeys/action'
    'Microsoft.NotificationHubs/namespaces/notificationHubs/authorizationRules/regenerateKeys/action'
  ]
  'postgresql-admin-passwords': [
    'Microsoft.DBforPostgreSQL/flexibleServers/read'
    'Microsoft.DBforPostgreSQL/flexibleServers/write'
  ]
  'postgresql-role-passwords': [
    'Microsoft.DBforPostgreSQL/flexibleServers/read'
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
  'relay-keys': [
    'Microsoft.Relay/namespaces/read'
    'Microsoft.Relay/namespaces/authorizationRules/listKeys/action'
    'Microsoft.Relay/namespaces/authorizationRules/regenerateKeys/action'
  ]
  'search-admin-keys': [
    'Microsoft.Search/searchServices/read'
    'Microsoft.Search/searchServices/listAdminKeys/action'
    'Microsoft.Search/searchServices/regenerateAdminKey/action'
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
  'signalr-keys': [
    'Microsoft.SignalRService/signalR/read'
    'Microsoft.SignalRService/signalR/listKeys/action'
    'Microsoft.SignalRService/signalR/regenerateKey/action'
  ]
  'storage-keys': [
    'Microsoft.Storage/storageAccounts/read'
    'Microsoft.Storage/storageAccounts/listKeys/action'
    'Microsoft.Storage/storageAccounts/regenerateKey/action'
  ]
  'web-pubsub-keys': [
    'Microsoft.SignalRService/webPubSub/read'
    'Microsoft.SignalRService/webPubSub/listKeys/action'
    'Microsoft.SignalRService/webPubSub/regenerateKey/action'
  ]
}

@export()
@description('What each of those roles is for, as the portal shows it.')
var keyedSummaries = {
  'ai-services-keys': 'What it takes to rotate the keys of AI services accounts.'
  'api-management-keys': 'What it takes to rotate the keys of API Management subscriptions.'
  'app-configuration-keys': 'What it takes to rotate the access keys of App Configuration stores.'
  'batch-keys': 'What it takes to rotate the keys of Batch accounts.'
  'communication-keys': 'What it takes to rotate the keys of Communication Services resources.'
  'container-registry-passwords': 'What it takes to rotate the passwords of registries\' admin users.'
  'cosmos-db-keys': 'What it takes to rotate the keys of Cosmos DB accounts.'
  'event-grid-keys': 'What it takes to rotate the keys of Event Grid topics, domains and namespaces.'
  'event-grid-partner-keys': 'What it takes to rotate the keys of Event Grid partner namespaces.'
  'event-hubs-keys': 'What it takes to rotate the keys of Event Hubs rules.'
  'maps-keys': 'What it takes to rotate the keys of Azure Maps accounts.'
  'mysql-admin-passwords': 'What it takes to rotate the passwords of MySQL servers\' administrators.'
  'mysql-user-passwords': 'What it takes to rotate the passwords of MySQL users.'
  'notification-hubs-keys': 'What it takes to rotate the keys of Notification Hubs rules.'
  'postgresql-admin-passwords': 'What it takes to rotate the passwords of PostgreSQL servers\' administrators.'
  'postgresql-role-passwords': 'What it takes to rotate the passwords of PostgreSQL roles.'
  'redis-keys': 'What it takes to rotate the access keys of Redis caches.'
  'relay-keys': 'What it takes to rotate the keys of Relay rules.'
  'search-admin-keys': 'What it takes to rotate the admin keys of search services.'
  'service-bus-keys': 'What it takes to rotate the keys of Service Bus rules.'
  'signalr-keys': 'What it takes to rotate the keys of SignalR services.'
  'storage-keys': 'What it takes to rotate the keys of storage accounts.'
  'web-pubsub-keys': 'What it takes to rotate the keys of Web PubSub services.'
}
