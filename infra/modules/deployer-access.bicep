// What the person who deploys may do in the app's storage accounts: see what waits and what the records say, and ask for a
// rotation. Owner of a subscription has no right to data: without this the first commands end in 403.

import { leaseContainer, rotationQueue } from '../names.bicep'

@description('Name of the app\'s own storage account, in this resource group.')
@minLength(3)
@maxLength(24)
param storageName string

@description('Name of the storage account of events, in this resource group.')
@minLength(3)
@maxLength(24)
param eventsName string

@description('Object id of who deploys.')
param deployerId string

var blobDataReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
var queueDataMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
var queueDataReader = '19e7f393-937e-4f77-808e-94535e297925'

resource own 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageName

  resource queues 'queueServices' existing = {
    name: 'default'

    resource rotations 'queues' existing = { name: rotationQueue }
  }

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource records 'containers' existing = { name: leaseContainer }
  }
}

resource events 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: eventsName
}

resource maySeeWork 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: own
  name: guid(own.id, deployerId, queueDataReader)
  properties: {
    principalId: deployerId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataReader)
    description: 'Who deployed Rekey sees what waits on its queues.'
  }
}

resource maySeeEvents 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: events
  name: guid(events.id, deployerId, queueDataReader)
  properties: {
    principalId: deployerId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataReader)
    description: 'Who deployed Rekey sees what waits on its queues.'
  }
}

resource maySeeRecords 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: own::blobs::records
  name: guid(own.id, deployerId, blobDataReader)
  properties: {
    principalId: deployerId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataReader)
    description: 'Who deployed Rekey sees when each vault was swept, and what its records say.'
  }
}

resource mayAsk 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: own::queues::rotations
  name: guid(own.id, deployerId, queueDataMessageSender)
  properties: {
    principalId: deployerId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataMessageSender)
    description: 'Who deployed Rekey asks for a rotation.'
  }
}
