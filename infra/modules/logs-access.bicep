// The app's right to ask one Log Analytics workspace.

import { roleId } from '../names.bicep'

@description('Name of the workspace, in this resource group.')
@minLength(4)
@maxLength(63)
param workspaceName string

@description('Object id of the app\'s identity.')
param appPrincipalId string

@description('Id of the app\'s identity.')
param owner string

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = {
  name: workspaceName
}

resource appMayAsk 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: workspace
  name: guid(workspace.id, appPrincipalId, 'storage-logs')
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    // The role of logs-role.bicep, by the id in the form that Azure gives back.
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roleId(resourceGroup().id, owner, 'storage-logs')
    )
  }
}
