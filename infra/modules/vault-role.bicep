// The custom role for the vaults of one resource group: everything Rekey does to secrets. Nothing that deletes.

import { roleId } from '../names.bicep'

@description('Id of the app\'s identity, which tells this deployment\'s role from another\'s.')
param owner string

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
