// The app's rights to the secrets of one vault, and to have key pairs made there.

import { roleId } from '../names.bicep'

@description('Name of the vault, in this resource group.')
@minLength(3)
@maxLength(24)
param vaultName string

@description('Whether the vault uses Azure RBAC for its permissions.')
param usesRbac bool

@description('Object id of the app\'s identity.')
param appPrincipalId string

@description('Id of the app\'s identity.')
param owner string

@description('Whether the vault holds certificates of applications.')
param certificates bool

@description('Object id of who deploys and gets what the app may do with secrets; nobody if empty.')
param deployerId string

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: vaultName
}

resource appMayUseSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, appPrincipalId, 'vault-secrets')
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    // The role of vault-role.bicep, by the id in the form that Azure gives back.
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roleId(resourceGroup().id, owner, 'vault-secrets')
    )
    description: usesRbac
      ? 'Rekey rotates the secrets of this vault.'
      : fail('vault ${vaultName} uses access policies, so no role opens it: give its present users roles, then run az keyvault update --name ${vaultName} --enable-rbac-authorization true')
  }
}

// By the app's own role: whoever has it can neither delete secrets nor give rights to others.
resource deployerMayUseSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deployerId)) {
  scope: vault
  name: guid(vault.id, deployerId, owner, 'vault-secrets')
  properties: {
    principalId: deployerId
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roleId(resourceGroup().id, owner, 'vault-secrets')
    )
    description: 'Who deployed Rekey tries it out: reads, tags and sets the secrets of this vault.'
  }
}

resource appMayMakeKeyPairs 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (certificates) {
  scope: vault
  name: guid(vault.id, appPrincipalId, 'vault-certificates')
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roleId(resourceGroup().id, owner, 'vault-certificates')
    )
    description: 'Rekey rotates certificates of applications in this vault.'
  }
}
