// One managed vault, in its own resource group: what the app may do there, and the topic of its events.

import { topicOf } from '../names.bicep'
import { fullVault, texts } from '../types.bicep'

@description('The vault.')
param vault fullVault

@description('Object id of the app\'s identity.')
param appPrincipalId string

@description('Id of the app\'s identity.')
param owner string

@description('Object id of who deploys and gets what the app may do with secrets; nobody if empty.')
param deployerId string

@description('How the system topic\'s name begins.')
@maxLength(20)
param prefix string

@description('Tags of every resource.')
param tags texts

@description('Id of the storage account that events are delivered to.')
param storageId string

@description('Id of the Log Analytics workspace for the diagnostic settings; none are made if empty.')
param workspaceId string

resource existing 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: vault.name
}

module access 'vault-access.bicep' = {
  params: {
    vaultName: vault.name
    // A vault's own properties are known only while deploying: the check of them is in that module.
    usesRbac: existing.properties.?enableRbacAuthorization ?? false
    appPrincipalId: appPrincipalId
    owner: owner
    certificates: contains(vault.kinds, 'service-principal-certificate')
    deployerId: deployerId
  }
}

var ownTopic = empty(vault.existingTopic)
var topicName = topicOf(prefix, vault)

module topic 'vault-topic.bicep' = if (vault.events && ownTopic) {
  params: {
    vaultId: existing.id
    name: topicName
    location: existing.location
    tags: tags
    workspaceId: workspaceId
  }
}

module events 'vault-events.bicep' = if (vault.events) {
  params: {
    vaultId: existing.id
    topicName: topicName
    existed: !ownTopic
    storageId: storageId
  }
  dependsOn: [topic]
}
