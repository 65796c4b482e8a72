// The subscription that puts the events of one vault on the app's queue. While it is made, Event Grid looks for the
// right of the topic's identity, on the storage account: https://github.com/Azure/bicep-registry-modules/issues/5205.

import { deadLetterContainer, eventQueue } from '../names.bicep'

@description('Name of the vault\'s system topic, in this resource group.')
@minLength(3)
@maxLength(50)
param topicName string

@description('Id of the storage account that events are delivered to.')
param storageId string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'rekey'
  properties: {
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: ['Microsoft.KeyVault.SecretNearExpiry', 'Microsoft.KeyVault.SecretExpired']
    }
    deliveryWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      destination: {
        endpointType: 'StorageQueue'
        // An app that is stopped for weeks still finds every event.
        properties: { resourceId: storageId, queueName: eventQueue, queueMessageTimeToLiveInSeconds: -1 }
      }
    }
    deadLetterWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: { resourceId: storageId, blobContainerName: deadLetterContainer }
      }
    }
    retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }
  }
}
