// A storage account of the app: its queues and containers, and what the app may do there.

import { texts } from '../types.bicep'

@description('Name of the account: 3 to 24 lower-case letters and digits.')
@minLength(3)
@maxLength(24)
param name string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags texts

@description('How often the data is kept.')
param sku 'Standard_LRS' | 'Standard_ZRS' | 'Standard_GRS' | 'Standard_GZRS'

@description('Whether the account is closed to the internet, but for Azure\'s own trusted services (Event Grid).')
param closed bool

@description('The containers.')
param containers string[]

@description('The queues.')
param queues string[]

@description('How the paths of blobs begin that are deleted after a week; none are if empty.')
param passing string[] = []

@description('Object id of the app\'s identity.')
param appPrincipalId string

@description('Ids of the built-in roles that the app has here.')
param appRoles string[]

@description('Id of the Log Analytics workspace for the diagnostic settings; none are made if empty.')
param workspaceId string

@description('What the account\'s blobs log; nothing if empty.')
param blobLogs { categoryGroup: string?, category: string?, enabled: bool }[]

@description('What its queues and tables log; nothing if empty.')
param otherLogs { categoryGroup: string?, category: string?, enabled: bool }[]

var retentionDays = 7

// The api-version is one that every cloud has: US Government had none after 2025-06-01 in May 2026, and Azure in China none
// from 2025-08-01 on: https://github.com/hashicorp/terraform-provider-azurerm/issues/32402 and 32301.
resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Where closed, nobody but private endpoints and Event Grid gets past the rules below. Disabled would promise Event Grid nothing:
    // https://learn.microsoft.com/azure/storage/common/storage-network-security-trusted-azure-services
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: closed ? 'Deny' : 'Allow'
    }
    encryption: {
      keySource: 'Microsoft.Storage'
      requireInfrastructureEncryption: true
      services: {
        blob: { enabled: true, keyType: 'Account' }
        queue: { enabled: true, keyType: 'Account' }
        table: { enabled: true, keyType: 'Account' }
      }
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: true, days: retentionDays }
    containerDeleteRetentionPolicy: { enabled: true, days: retentionDays }
  }
}

resource allContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = [
  for container in containers: {
    parent: blobs
    name: container
    properties: { publicAccess: 'None' }
  }
]

resource expiry 'Microsoft.Storage/storageAccounts/managementPolicies@2023-05-01' = if (!empty(passing)) {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'remembered-answers'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: passing }
            actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: retentionDays } } }
          }
        }
      ]
    }
  }
  dependsOn: [allContainers]
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource allQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = [
  for queue in queues: {
    parent: queueService
    name: queue
  }
]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource appMay 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in appRoles: {
    scope: account
    name: guid(account.id, appPrincipalId, role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

resource logsOfBlobs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(workspaceId) && !empty(blobLogs)) {
  scope: blobs
  name: 'rekey'
  properties: { workspaceId: workspaceId, logs: blobLogs }
}

resource logsOfQueues 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(workspaceId) && !empty(otherLogs)) {
  scope: queueService
  name: 'rekey'
  properties: { workspaceId: workspaceId, logs: otherLogs }
}

resource logsOfTables 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(workspaceId) && !empty(otherLogs)) {
  scope: tableService
  name: 'rekey'
  properties: { workspaceId: workspaceId, logs: otherLogs }
}
