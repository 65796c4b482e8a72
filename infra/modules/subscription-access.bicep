// What the app may do to the sources in one whole subscription, where a vault is bound to all of it: the roles of subscription-roles.bicep.

import { roleId } from '../names.bicep'
import { sourceRole } from '../types.bicep'

targetScope = 'subscription'

@description('Object id of the app\'s identity.')
param appPrincipalId string

@description('Id of the app\'s identity, which tells this deployment\'s roles from another\'s.')
param owner string

@description('What may be done in this subscription.')
param roles sourceRole[]

resource inSubscription 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in roles: {
    name: guid(subscription().id, appPrincipalId, role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roleId(subscription().id, owner, role)
      )
    }
  }
]
