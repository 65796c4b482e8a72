// The events of one vault: a system topic beside the vault, and one subscription to the app's queue.

import { deadLetterContainer, eventQueue } from '../names.bicep'
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

@description('Id of the identity that Event Grid delivers with.')
param eventsIdentityId string

@description('Id of the storage account that events are delivered to.')
param storageId string

@description('Id of the Log Analytics workspace for the diagnostic settings; none are made if empty.')
param workspaceId string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${eventsIdentityId}': {} } }
  properties: {
    source: vaultId
    topicType: 'Microsoft.KeyVault.vaults'
  }
}

var identity = { type: 'UserAssigned', userAssignedIdentity: eventsIdentityId }

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'rekey'
  properties: {
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: ['Microsoft.KeyVault.SecretNearExpiry', 'Microsoft.KeyVault.SecretExpired']
    }
    deliveryWithResourceIdentity: {
      identity: identity
      destination: {
        endpointType: 'StorageQueue'
        // An app that is stopped for weeks still finds every event.
        properties: { resourceId: storageId, queueName: eventQueue, queueMessageTimeToLiveInSeconds: -1 }
      }
    }
    deadLetterWithResourceIdentity: {
      identity: identity
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: { resourceId: storageId, blobContainerName: deadLetterContainer }
      }
    }
    retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }
  }
}

resource topicLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(workspaceId)) {
  scope: topic
  name: 'rekey'
  properties: { workspaceId: workspaceId, logs: [{ category: 'DeliveryFailures', enabled: true }] }
}
