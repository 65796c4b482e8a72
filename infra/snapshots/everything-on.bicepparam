// The most: every option, every kind of credential.
using '../main.bicep'

param name = 'contoso-rekey'
param location = 'westeurope'
param tags = { team: 'platform' }

param vaults = [
  {
    name: 'contoso-prod'
    resourceGroup: 'Prod'
    scopes: [
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/Data/providers/Microsoft.Storage/storageAccounts/contosodata/'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/Data/providers/Microsoft.Sql/servers/contoso-sql'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/Data/providers/Microsoft.Sql/servers/contoso-users/databases/Orders'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/shared'
      // <generated: `make generate` writes this from rotators/>
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.CognitiveServices/accounts/contoso0'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.ApiManagement/service/contoso1'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.AppConfiguration/configurationStores/contoso2'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.Batch/batchAccounts/contoso3'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.Communication/communicationServices/contoso4'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.ContainerRegistry/registries/contoso5'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.DocumentDB/databaseAccounts/contoso6'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.EventGrid/topics/contoso7'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.EventGrid/domains/contoso8'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.EventGrid/namespaces/contoso9'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.EventGrid/partnerNamespaces/contoso10'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.EventHub/namespaces/contoso11'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.Maps/accounts/contoso12'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.DBforMySQL/flexibleServers/contoso13'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.NotificationHubs/namespaces/contoso14'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.DBforPostgreSQL/flexibleServers/contoso15'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.Cache/redis/contoso16'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.Cache/redisEnterprise/contoso17'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.Relay/namespaces/contoso18'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.Search/searchServices/contoso19'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.ServiceBus/namespaces/contoso20'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.SignalRService/signalR/contoso21'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers/Microsoft.SignalRService/webPubSub/contoso22'
      // </generated>
    ]
    applications: ['11111111-2222-3333-4444-555555555555']
    ownKinds: ['/kinds/acme-token']
    consumers: [
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/shop/providers/Microsoft.Web/sites/contoso-shop'
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/shop/providers/Microsoft.App/containerApps/worker'
    ]
    kinds: [
      // <generated: `make generate` writes this from rotators/>
      'ai-services-key'
      'api-management-key'
      'app-configuration-key'
      'batch-key'
      'communication-key'
      'container-registry-password'
      'cosmos-db-key'
      'event-grid-key'
      'event-grid-partner-key'
      'event-hubs-key'
      'event-hubs-sas'
      'maps-key'
      'mysql-admin-password'
      'mysql-user-password'
      'notification-hubs-key'
      'postgresql-admin-password'
      'postgresql-role-password'
      'redis-key'
      'relay-key'
      'search-admin-key'
      'service-bus-key'
      'service-bus-sas'
      'service-principal-certificate'
      'service-principal-secret'
      'signalr-key'
      'sql-admin-password'
      'sql-login-password'
      'storage-key'
      'storage-sas'
      'web-pubsub-key'
      // </generated>
    ]
  }
]

param sweepSchedule = '0 30 * * * *'
param endpoints = {
  'acme-token': {
    url: 'https://rotate.acme.example/rekey'
    key: 'https://contoso-prod.vault.azure.net/secrets/acme-signing'
    strategy: 'two-slots'
    slots: ['first', 'second']
    fields: ['token']
  }
}
param policyDocument = 'https://contoso-prod.vault.azure.net/secrets/rekey-policy'
param outcomeTopic = true
param privateNetwork = true
param addressPrefix = '10.20.0.0/24'
param vaultEndpoints = true
param privateApp = true
param signInClientId = '66666666-7777-8888-9999-000000000000'
param logsWorkspace = '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/Ops/providers/Microsoft.OperationalInsights/workspaces/contoso-logs'
param auditLogs = true
param retentionDays = 365
param alertMails = ['oncall@contoso.example']
param alertActionGroups = [
  '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/ops/providers/Microsoft.Insights/actionGroups/teams'
]
param alertsTuned = { failing: { severity: 3, limit: 5 } }
param runbookUrl = 'https://wiki.contoso.example/rekey'
param azurePolicy = { validityDays: 365, activeDays: 180, effect: 'Deny' }
param storageSku = 'Standard_ZRS'
param instanceMemory = 4096
param maximumInstances = 100
param packageUri = 'https://packages.contoso.example/rekey-1.0.0.zip'
param remoteBuild = true
param rollingUpdates = true

param cloud = {
  name: 'AzureCloud'
  resourceManager: 'https://management.azure.com/'
  loginEndpoint: 'https://login.microsoftonline.com/'
  keyvaultDns: '.vault.azure.net'
  storage: 'core.windows.net'
}

param deployedAt = '2026-11-02T09:00:00Z'
