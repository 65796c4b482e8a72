// The system topic of one vault, beside the vault: Azure allows one for each.

import { texts } from '../types.bicep'

@description('Id of the vault.')
param vaultId string

@description('Name of the system topic.')
@minLength(3)
@maxLength(50)
param name string

@description('Region of the vault.')
param location string

@description('Tags of every resource.')
param tags texts

@description('Id of the Log Analytics workspace for the diagnostic settings; none are made if empty.')
param workspaceId string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  // Its own: an account with a firewall lets no other identity of Event Grid in.
  // https://learn.microsoft.com/azure/event-grid/handler-storage-queues
  identity: { type: 'SystemAssigned' }
  properties: {
    source: vaultId
    topicType: 'Microsoft.KeyVault.vaults'
  }
}

resource topicLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(workspaceId)) {
  scope: topic
  name: 'rekey'
  properties: { workspaceId: workspaceId, logs: [{ category: 'DeliveryFailures', enabled: true }] }
}
