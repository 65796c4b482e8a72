// The custom role that asks a Log Analytics workspace about the logs of storage accounts and vaults, and about nothing else in it.
// The id under which it is asked comes from here, so that the app need not wait until the role has spread.

import { roleId } from '../names.bicep'

@description('Id of the app\'s identity, which tells this deployment\'s role from another\'s.')
param owner string

@description('Name of the workspace, in this resource group.')
@minLength(4)
@maxLength(63)
param workspaceName string

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = {
  name: workspaceName
}

resource definition 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: roleId(resourceGroup().id, owner, 'storage-logs')
  properties: {
    roleName: 'Rekey storage-logs ${uniqueString(resourceGroup().id, owner)}'
    description: 'Lets Rekey count in the logs of storage accounts how often a key is used, and ask those of vaults who read a secret.'
    type: 'customRole'
    assignableScopes: [resourceGroup().id]
    permissions: [
      {
        // https://learn.microsoft.com/azure/azure-monitor/logs/manage-access
        actions: [
          'Microsoft.OperationalInsights/workspaces/query/read'
          'Microsoft.OperationalInsights/workspaces/query/AZKVAuditLogs/read'
          'Microsoft.OperationalInsights/workspaces/query/AzureDiagnostics/read'
          'Microsoft.OperationalInsights/workspaces/query/StorageBlobLogs/read'
          'Microsoft.OperationalInsights/workspaces/query/StorageFileLogs/read'
          'Microsoft.OperationalInsights/workspaces/query/StorageQueueLogs/read'
          'Microsoft.OperationalInsights/workspaces/query/StorageTableLogs/read'
        ]
      }
    ]
  }
}

@description('The id that queries name the workspace by, a GUID.')
output customerId string = workspace.properties.customerId
