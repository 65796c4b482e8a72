// What the app may do to the sources and consumers in one resource group: the roles of source-roles.bicep, each where it is needed.

import { roleId } from '../names.bicep'
import { grant } from '../types.bicep'

@description('Object id of the app\'s identity.')
param appPrincipalId string

@description('Id of the app\'s identity, which tells this deployment\'s roles from another\'s.')
param owner string

@description('The rights at sources and consumers in this group.')
param grants grant[]

var roles = union(map(grants, one => one.role), [])
// In the form that Azure gives back, whatever the scope of the definition.
var roleIds = toObject(
  roles,
  role => role,
  role => subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleId(resourceGroup().id, owner, role))
)
var whole = filter(grants, one => empty(one.resource))
var single = filter(grants, one => !empty(one.resource))
var accountNames = map(filter(single, one => one.role == 'storage-keys'), one => one.resource)
var serverNames = map(filter(single, one => one.role == 'sql-administrator'), one => one.resource)
var siteNames = map(filter(single, one => one.role == 'web-references'), one => one.resource)
var containerNames = map(filter(single, one => one.role == 'container-revisions'), one => one.resource)

resource inGroup 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for one in whole: {
    name: guid(resourceGroup().id, appPrincipalId, one.role)
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }
  }
]

resource accounts 'Microsoft.Storage/storageAccounts@2026-09-01' existing = [for name in accountNames: { name: name }]

resource atAccounts 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in accountNames: {
    scope: accounts[index]
    name: guid(accounts[index].id, appPrincipalId, 'storage-keys')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['storage-keys']
    }
  }
]

resource servers 'Microsoft.Sql/servers@2023-08-01' existing = [for name in serverNames: { name: name }]

resource atServers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in serverNames: {
    scope: servers[index]
    name: guid(servers[index].id, appPrincipalId, 'sql-administrator')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['sql-administrator']
    }
  }
]

resource sites 'Microsoft.Web/sites@2025-03-01' existing = [for name in siteNames: { name: name }]

resource atSites 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in siteNames: {
    scope: sites[index]
    name: guid(sites[index].id, appPrincipalId, 'web-references')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['web-references']
    }
  }
]

resource containers 'Microsoft.App/containerApps@2025-07-01' existing = [for name in containerNames: { name: name }]

resource atContainers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in containerNames: {
    scope: containers[index]
    name: guid(containers[index].id, appPrincipalId, 'container-revisions')
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds['container-revisions']
    }
  }
]
