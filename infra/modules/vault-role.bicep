// The custom roles for the vaults of one resource group: everything Rekey does to secrets, and how it has key pairs made
// where a vault holds certificates of applications. Nothing that deletes.

import { roleId } from '../names.bicep'

@description('Id of the app\'s identity, which tells this deployment\'s role from another\'s.')
param owner string

@description('Whether a vault of this group holds certificates of applications.')
param certificates bool

resource definition 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: roleId(resourceGroup().id, owner, 'vault-secrets')
  properties: {
    roleName: 'Rekey vault-secrets ${uniqueString(resourceGroup().id, owner)}'
    description: 'Lets Rekey get, set, list and update secrets. It cannot delete, purge, back up or restore them.'
    type: 'customRole'
    assignableScopes: [resourceGroup().id]
    permissions: [
      {
        actions: []
        dataActions: [
          'Microsoft.KeyVault/vaults/secrets/getSecret/action'
          'Microsoft.KeyVault/vaults/secrets/setSecret/action'
          'Microsoft.KeyVault/vaults/secrets/readMetadata/action'
          'Microsoft.KeyVault/vaults/secrets/update/action'
        ]
      }
    ]
  }
}

resource certificateDefinition 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (certificates) {
  name: roleId(resourceGroup().id, owner, 'vault-certificates')
  properties: {
    roleName: 'Rekey vault-certificates ${uniqueString(resourceGroup().id, owner)}'
    description: 'Lets Rekey have key pairs made as certificates. It cannot import, change or delete them.'
    type: 'customRole'
    assignableScopes: [resourceGroup().id]
    permissions: [
      {
        actions: []
        dataActions: [
          'Microsoft.KeyVault/vaults/certificates/create/action'
          'Microsoft.KeyVault/vaults/certificates/read'
        ]
      }
    ]
  }
}
