// The events of one vault: a subscription of its system topic that puts them on the app's queue.

import { deadLetterContainer, eventQueue } from '../names.bicep'

@description('Id of the vault.')
param vaultId string

@description('Name of the vault\'s system topic, in this resource group.')
@minLength(3)
@maxLength(50)
param topicName string

@description('Whether somebody else made the topic.')
param existed bool

@description('Id of the storage account that events are delivered to.')
param storageId string

var storage = split(storageId, '/')

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

// A topic that somebody else made may be that of another vault, or have no identity of its own.
var principalId = !existed
  ? topic.identity.principalId
  : toLower(topic.properties.source) != toLower(vaultId)
      ? fail('existingTopic ${topicName} is not the system topic of ${vaultId}: name the right one, or leave existingTopic out')
      : empty(topic.?identity.?principalId)
          ? fail('the system topic ${topicName} has no identity of its own, with which Event Grid delivers: run az eventgrid system-topic update --name ${topicName} --resource-group ${resourceGroup().name} --identity systemassigned')
          : topic.identity.principalId

module access 'event-access.bicep' = {
  scope: resourceGroup(storage[2], storage[4])
  params: { storageName: last(storage), principalId: principalId }
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
  dependsOn: [access]
}
