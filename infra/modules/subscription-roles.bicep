// The custom roles for the sources of one whole subscription.

import { roleId } from '../names.bicep'
import { roleActions, roleSummary } from '../roles.bicep'
import { sourceRole } from '../types.bicep'

targetScope = 'subscription'

@description('Id of the app\'s identity, which tells this deployment\'s roles from another\'s.')
param owner string

@description('What may be done in this subscription.')
param roles sourceRole[]

resource definitions 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [
  for role in roles: {
    name: roleId(subscription().id, owner, role)
    properties: {
      roleName: 'Rekey ${role} ${uniqueString(subscription().id, owner)}'
      description: roleSummary(role)
      type: 'customRole'
      assignableScopes: [subscription().id]
      permissions: [{ actions: roleActions(role) }]
    }
  }
]
