// What the system topic of one vault may do: the right to deliver, before it subscribes to anything.

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
