// The custom roles for the sources and consumers in one resource group: they hold the actions of roles.bicep and no others.

import { roleId } from '../names.bicep'
import { roleActions, roleExceptions, roleSummary } from '../roles.bicep'
import { sourceRole } from '../types.bicep'

@description('Id of the app\'s identity, which tells this deployment\'s roles from another\'s.')
param owner string

@description('What may be done in this group.')
param roles sourceRole[]

resource definitions 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [
  for role in roles: {
    name: roleId(resourceGroup().id, owner, role)
    properties: {
      // A role's name is unique in the whole tenant.
      roleName: 'Rekey ${role} ${uniqueString(resourceGroup().id, owner)}'
      description: roleSummary(role)
      type: 'customRole'
      assignableScopes: [resourceGroup().id]
      permissions: [{ actions: roleActions(role), notActions: roleExceptions(role) }]
    }
  }
]
