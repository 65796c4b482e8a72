// Rekey: one Functions app that rotates the secrets of the listed vaults, with all that it needs, and no right beyond that.
// docs/deploy.md leads through it; docs/permissions.md says what each right is for.

import {
  alertProblems
  endpointProblems
  logsProblems
  nameProblems
  networkProblems
  packageProblems
  policyProblems
  scheduleProblems
  signInProblems
  vaultProblems
} from 'checks.bicep'
import {
  answerPrefix
  deadLetterContainer
  eventQueues
  leaseContainer
  packageContainer
  queues
  topicOf
  vouchingSetting
} from 'names.bicep'
import { appSubnet, endpointSubnet, privateZone } from 'private-names.bicep'
import { filled, grantsOf } from 'scopes.bicep'
import { alertTuning, cloudNames, endpointsByKind, secretPolicy, texts, vault } from 'types.bicep'

targetScope = 'resourceGroup'

@description('How every resource\'s name begins: lower-case letters, digits and dashes.')
@minLength(2)
@maxLength(20)
param name string = 'rekey'

@description('Region of everything but the vaults\' system topics, which are where their vaults are.')
param location string = resourceGroup().location

@description('Tags of every resource.')
param tags texts = {}

@description('The existing vaults that are managed, and what the secrets of each may rotate.')
@minLength(1)
param vaults vault[]

@description('When all vaults are swept: second minute hour day month weekday, in UTC.')
param sweepSchedule string = '0 0 * * * *'

@description('Id of the Key Vault secret that holds the policy document, in a listed vault; none if empty.')
param policyDocument string = ''

@description('HTTPS endpoints that look after kinds of your own, by the name of the kind.')
param endpoints endpointsByKind = {}

@description('Whether to make an Event Grid topic on which Rekey tells how rotations ended.')
param outcomeTopic bool = false

@description('Whether the app runs in a virtual network of its own, with its storage account (and topic) reachable only from there.')
param privateNetwork bool = false

@description('The virtual network\'s addresses: /24 or larger.')
param addressPrefix string = '10.90.0.0/24'

@description('Whether the virtual network gets a private endpoint for every vault too. The deploying person needs the right to approve them.')
param vaultEndpoints bool = false

@description('Whether the app\'s own URL answers in the virtual network only.')
param privateApp bool = false

@description('Ranges of addresses (CIDR) that may reach the app\'s URL; all if empty. Callers need a function key or a role in any case.')
param allowedAddresses string[] = []

@description('Client id of the app registration that callers sign in with, of this same tenant: docs/access.md. Function keys open the app if empty.')
param signInClientId string = ''

@description('Whether failed deliveries and events that were given up are logged in the Log Analytics workspace.')
param diagnostics bool = true

@description('Whether every access to the app\'s storage accounts is logged there too, and what the app logs a second time. docs/costs.md says what that costs.')
param auditLogs bool = false

@description('Id of the Log Analytics workspace that gets the logs of the storage accounts to be rotated: who uses a key is looked up there before a first rotation. Nothing is looked up if empty.')
param logsWorkspace string = ''

@description('How long telemetry is kept, in days.')
@minValue(30)
@maxValue(730)
param retentionDays int = 90

@description('Whether alerts are made: for parked secrets, failing rotations, missing sweeps and others.')
param alerts bool = true

@description('Addresses that get a mail for every alert.')
param alertMails string[] = []

@description('Ids of action groups that exist already and are told of every alert, such as those for Teams or Slack.')
param alertActionGroups string[] = []

@description('What differs from the alerts as they are, by name: docs/deploy.md lists them.')
param alertsTuned { *: alertTuning } = {}

@description('When this deployment begins: leave it out. No alert misses a sweep that was not due by then.')
param deployedAt string = utcNow('yyyy-MM-ddTHH:mm:ssZ')

@description('Whether a workbook is made: what needs a person, expiry, rotations, steps, calls and cost.')
param workbook bool = true

@description('Where the runbook is read that every alert links to, and with https:// the inventory page as well.')
param runbookUrl string = 'docs/runbook.md'

@description('What Azure Policy demands of the secrets in the vaults\' resource groups; nothing if left out.')
param azurePolicy secretPolicy?

@description('Whether who deploys may try Rekey out: read, tag and set the secrets of the vaults, see queues and records, ask for a rotation. Say false in a pipeline.')
param deployerAccess bool = true

@description('How the storage accounts keep their data.')
param storageSku 'Standard_LRS' | 'Standard_ZRS' | 'Standard_GRS' | 'Standard_GZRS' = 'Standard_LRS'

@description('Memory of an instance, in MB.')
param instanceMemory 512 | 2048 | 4096 = 2048

@description('How many instances there may be at most.')
@minValue(1)
@maxValue(1000)
param maximumInstances int = 40

@description('URL of the code package, which Azure can read without a signature in it; no code is deployed if empty.')
param packageUri string = ''

// Azure's own build was seen to use another Python than the app: https://github.com/Azure/azure-dev/issues/8538.
@description('Whether Azure installs the Python packages. Say true for a package that does not bring them.')
param remoteBuild bool = false

@description('Whether instances are replaced one after the other at a change, instead of all at once. Azure\'s preview of that is not meant for production yet.')
param rollingUpdates bool = false

@description('The Azure cloud: the one that is deployed to, unless told otherwise.')
param cloud cloudNames = {
  name: environment().name
  resourceManager: environment().resourceManager
  loginEndpoint: environment().authentication.loginEndpoint
  keyvaultDns: environment().suffixes.keyvaultDns
  storage: environment().suffixes.storage
}

var givenVaults = map(vaults, one => filled(one, resourceGroup().name, subscription().subscriptionId))
var problems = concat(
  nameProblems(name),
  vaultProblems(givenVaults),
  networkProblems(privateNetwork, privateApp, vaultEndpoints, allowedAddresses),
  packageProblems(packageUri),
  alertProblems(alertsTuned),
  logsProblems(logsWorkspace, diagnostics, auditLogs),
  policyProblems(policyDocument, givenVaults, cloud.keyvaultDns),
  scheduleProblems(sweepSchedule),
  endpointProblems(endpoints, givenVaults, cloud.keyvaultDns),
  signInProblems(signInClientId)
)
var managed = empty(problems) ? givenVaults : fail('${length(problems)} problem(s): ${join(problems, '; ')}')
var vaultUrls = map(managed, one => 'https://${one.name}${cloud.keyvaultDns}')

var token = uniqueString(resourceGroup().id, name)
var uniqueName = '${name}-${token}'
var storageName = '${take(replace(name, '-', ''), 11)}${token}'
var eventsName = '${take(replace(name, '-', ''), 9)}ev${token}'
var appTags = union(tags, { application: 'rekey', rekey: name })
var graphEndpoints = {
  AzureCloud: 'https://graph.microsoft.com'
  AzureUSGovernment: 'https://graph.microsoft.us'
  AzureChinaCloud: 'https://microsoftgraph.chinacloudapi.cn'
}

var deployerId = deployerAccess ? deployer().objectId : ''

// Who acts. Event Grid delivers with an identity of each vault's topic, which can do nothing else.
resource appIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: uniqueName
  location: location
  tags: appTags
}

module monitoring 'modules/monitoring.bicep' = {
  params: {
    name: uniqueName
    location: location
    tags: appTags
    retentionDays: retentionDays
    appPrincipalId: appIdentity.properties.principalId
  }
}

// Ids are put together here rather than read from outputs, so that a snapshot shows them; order is said by dependsOn.
var workspaceId = diagnostics ? resourceId('Microsoft.OperationalInsights/workspaces', uniqueName) : ''
var insightsId = resourceId('Microsoft.Insights/components', uniqueName)
var storageId = resourceId('Microsoft.Storage/storageAccounts', storageName)
var eventsId = resourceId('Microsoft.Storage/storageAccounts', eventsName)

var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var blobDataReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
var queueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var tableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
var everyAccess = auditLogs ? [{ categoryGroup: 'audit', enabled: true }] : []

// The app's own: code, leases, records and the queues of its work. Leases stay: the record beside each says which secret
// owns its source.
module storage 'modules/storage.bicep' = {
  params: {
    name: storageName
    location: location
    tags: appTags
    sku: storageSku
    closed: privateNetwork
    containers: [packageContainer, leaseContainer]
    queues: queues
    passing: ['${leaseContainer}/${answerPrefix}']
    appPrincipalId: appIdentity.properties.principalId
    appRoles: [blobDataOwner, queueDataContributor, tableDataContributor]
    workspaceId: workspaceId
    blobLogs: everyAccess
    otherLogs: everyAccess
  }
  dependsOn: [monitoring]
}

// Where Event Grid delivers. It asks for its right on a whole account, so nothing else is in this one.
module eventStorage 'modules/storage.bicep' = {
  params: {
    name: eventsName
    location: location
    tags: union(appTags, { contents: 'events' })
    sku: storageSku
    closed: privateNetwork
    containers: [deadLetterContainer]
    queues: eventQueues
    appPrincipalId: appIdentity.properties.principalId
    appRoles: [blobDataReader, queueDataContributor]
    workspaceId: workspaceId
    // What is written here is an event that was given up, which an alert tells of.
    blobLogs: auditLogs ? everyAccess : [{ category: 'StorageWrite', enabled: true }]
    otherLogs: everyAccess
  }
  dependsOn: [monitoring]
}

module topic 'modules/topic.bicep' = if (outcomeTopic) {
  params: {
    name: uniqueName
    location: location
    tags: appTags
    closed: privateNetwork
    appPrincipalId: appIdentity.properties.principalId
    workspaceId: workspaceId
  }
  dependsOn: [monitoring]
}

// What the app may do where the vaults and their sources are.
var grants = union(flatten(map(managed, one => grantsOf(one))), [])
var inGroups = filter(grants, one => !empty(one.group))
var sourceGroups = union(map(inGroups, one => { subscription: one.subscription, group: one.group }), [])
var inSubscriptions = filter(grants, one => empty(one.group))
var sourceSubscriptions = union(map(inSubscriptions, one => one.subscription), [])
var vaultGroups = union(map(managed, one => { subscription: one.subscription, group: one.resourceGroup }), [])

module sourceRoles 'modules/source-roles.bicep' = [
  for place in sourceGroups: {
    scope: resourceGroup(place.subscription, place.group)
    params: {
      owner: appIdentity.id
      roles: union(
        map(
          filter(inGroups, one => one.subscription == place.subscription && one.group == place.group),
          one => one.role
        ),
        []
      )
    }
  }
]

module subscriptionRoles 'modules/subscription-roles.bicep' = [
  for place in sourceSubscriptions: {
    scope: subscription(place)
    params: {
      owner: appIdentity.id
      roles: map(filter(inSubscriptions, one => one.subscription == place), one => one.role)
    }
  }
]

var certified = filter(managed, one => contains(one.kinds, 'service-principal-certificate'))

module vaultRole 'modules/vault-role.bicep' = [
  for place in vaultGroups: {
    scope: resourceGroup(place.subscription, place.group)
    params: {
      owner: appIdentity.id
      certificates: !empty(filter(
        certified,
        one => one.subscription == place.subscription && one.resourceGroup == place.group
      ))
    }
  }
]

var logsParts = split(toLower(logsWorkspace), '/')
var logsPlace = {
  subscription: logsParts[?2] ?? subscription().subscriptionId
  group: logsParts[?4] ?? resourceGroup().name
  name: logsParts[?8] ?? 'none'
}

module logsRole 'modules/logs-role.bicep' = if (!empty(logsWorkspace)) {
  scope: resourceGroup(logsPlace.subscription, logsPlace.group)
  params: { owner: appIdentity.id, workspaceName: logsPlace.name }
}

// A role that was defined a moment ago is not known everywhere.
@batchSize(1)
module rolesSpread 'modules/pause.bicep' = [
  for _ in range(0, 5): { dependsOn: [sourceRoles, subscriptionRoles, vaultRole, logsRole] }
]

module sourceAccess 'modules/source-access.bicep' = [
  for place in sourceGroups: {
    scope: resourceGroup(place.subscription, place.group)
    params: {
      appPrincipalId: appIdentity.properties.principalId
      owner: appIdentity.id
      grants: filter(inGroups, one => one.subscription == place.subscription && one.group == place.group)
    }
    dependsOn: [rolesSpread]
  }
]

module subscriptionAccess 'modules/subscription-access.bicep' = [
  for place in sourceSubscriptions: {
    scope: subscription(place)
    params: {
      appPrincipalId: appIdentity.properties.principalId
      owner: appIdentity.id
      roles: map(filter(inSubscriptions, one => one.subscription == place), one => one.role)
    }
    dependsOn: [rolesSpread]
  }
]

module vaultAccess 'modules/vault.bicep' = [
  for one in managed: {
    scope: resourceGroup(one.subscription, one.resourceGroup)
    params: {
      vault: one
      appPrincipalId: appIdentity.properties.principalId
      owner: appIdentity.id
      deployerId: deployerId
      prefix: name
      tags: appTags
      storageId: eventsId
      workspaceId: workspaceId
    }
    dependsOn: [monitoring, eventStorage, rolesSpread]
  }
]

module deployerMay 'modules/deployer-access.bicep' = if (deployerAccess) {
  params: { storageName: storageName, eventsName: eventsName, deployerId: deployerId }
  dependsOn: [storage, eventStorage]
}

module logsAccess 'modules/logs-access.bicep' = if (!empty(logsWorkspace)) {
  scope: resourceGroup(logsPlace.subscription, logsPlace.group)
  params: {
    workspaceName: logsPlace.name
    appPrincipalId: appIdentity.properties.principalId
    owner: appIdentity.id
  }
  dependsOn: [rolesSpread]
}

module network 'modules/network.bicep' = if (privateNetwork) {
  params: {
    name: uniqueName
    location: location
    tags: appTags
    addressPrefix: addressPrefix
    cloud: cloud
    vaults: vaultEndpoints
    topic: outcomeTopic
    app: privateApp
  }
}

var endpointSubnetId = resourceId('Microsoft.Network/virtualNetworks/subnets', uniqueName, endpointSubnet)

module storageEndpoints 'modules/private-endpoint.bicep' = [
  for group in ['blob', 'queue', 'table']: if (privateNetwork) {
    params: {
      name: '${uniqueName}-${group}'
      location: location
      tags: appTags
      targetId: storageId
      group: group
      subnetId: endpointSubnetId
      zoneId: resourceId('Microsoft.Network/privateDnsZones', privateZone(cloud, group))
    }
    dependsOn: [network, storage]
  }
]

module eventEndpoints 'modules/private-endpoint.bicep' = [
  for group in ['blob', 'queue']: if (privateNetwork) {
    params: {
      name: '${uniqueName}-events-${group}'
      location: location
      tags: appTags
      targetId: eventsId
      group: group
      subnetId: endpointSubnetId
      zoneId: resourceId('Microsoft.Network/privateDnsZones', privateZone(cloud, group))
    }
    dependsOn: [network, eventStorage]
  }
]

module topicEndpoint 'modules/private-endpoint.bicep' = if (privateNetwork && outcomeTopic) {
  params: {
    name: '${uniqueName}-topic'
    location: location
    tags: appTags
    targetId: resourceId('Microsoft.EventGrid/topics', uniqueName)
    group: 'topic'
    subnetId: endpointSubnetId
    zoneId: resourceId('Microsoft.Network/privateDnsZones', privateZone(cloud, 'topic'))
  }
  dependsOn: [network, topic]
}

module vaultEndpoint 'modules/private-endpoint.bicep' = [
  for one in managed: if (privateNetwork && vaultEndpoints) {
    params: {
      name: '${name}-${one.name}'
      location: location
      tags: appTags
      targetId: resourceId(one.subscription, one.resourceGroup, 'Microsoft.KeyVault/vaults', one.name)
      group: 'vault'
      subnetId: endpointSubnetId
      zoneId: resourceId('Microsoft.Network/privateDnsZones', privateZone(cloud, 'vault'))
    }
    dependsOn: [network]
  }
]

var bound = toObject(
  managed,
  one => 'https://${one.name}${cloud.keyvaultDns}',
  one => concat(one.scopes, one.applications, one.ownKinds, one.consumers)
)

// By its name, where the host makes the right addresses of it. With addresses in its place, an empty setting
// AzureWebJobsStorage that a tool leaves beside them makes hosts fail with 401:
// https://github.com/Azure/azure-functions-host/issues/11782, 11787 and 11636.
#disable-next-line no-hardcoded-env-urls // It is the host's own constant, whatever the cloud.
var ownStorage = cloud.storage == 'core.windows.net'
  ? { AzureWebJobsStorage__accountName: storageName }
  : {
      AzureWebJobsStorage__blobServiceUri: 'https://${storageName}.blob.${cloud.storage}'
      AzureWebJobsStorage__queueServiceUri: 'https://${storageName}.queue.${cloud.storage}'
      AzureWebJobsStorage__tableServiceUri: 'https://${storageName}.table.${cloud.storage}'
    }

module app 'modules/app.bicep' = {
  params: {
    name: uniqueName
    location: location
    tags: appTags
    identityId: appIdentity.id
    packageContainerUrl: 'https://${storageName}.blob.${cloud.storage}/${packageContainer}'
    instanceMemory: instanceMemory
    maximumInstances: maximumInstances
    subnetId: privateNetwork ? resourceId('Microsoft.Network/virtualNetworks/subnets', uniqueName, appSubnet) : ''
    closed: privateApp
    allowedAddresses: allowedAddresses
    signInClientId: signInClientId
    loginEndpoint: cloud.loginEndpoint
    rollingUpdates: rollingUpdates
    workspaceId: auditLogs ? workspaceId : ''
    settings: {
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: appIdentity.properties.clientId
      ...ownStorage
      RekeyEvents__credential: 'managedidentity'
      RekeyEvents__clientId: appIdentity.properties.clientId
      RekeyEvents__blobServiceUri: 'https://${eventsName}.blob.${cloud.storage}'
      RekeyEvents__queueServiceUri: 'https://${eventsName}.queue.${cloud.storage}'
      APPLICATIONINSIGHTS_CONNECTION_STRING: monitoring.outputs.connectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD;ClientId=${appIdentity.properties.clientId}'
      // The exporter's telemetry about itself, and its asking Microsoft for settings, which would leave the private network.
      APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL: 'true'
      APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED: 'true'
      // The worker passes the trace of the triggering event on.
      PYTHON_ENABLE_OPENTELEMETRY: 'true'
      // The host takes 200 MB of anyone, before a key or a signature is looked at. Rekey reads no body of more than 256 KB.
      FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: string(1024 * 1024)
      AZURE_AUTHORITY_HOST: cloud.loginEndpoint
      AZURE_CLIENT_ID: appIdentity.properties.clientId
      AZURE_TENANT_ID: tenant().tenantId
      REKEY_ARM_ENDPOINT: cloud.resourceManager
      REKEY_GRAPH_ENDPOINT: graphEndpoints[?cloud.name] ?? fail('Microsoft Graph of the cloud ${cloud.name} is not known')
      // Its user in PostgreSQL and MySQL servers has this name.
      REKEY_IDENTITY_NAME: appIdentity.name
      REKEY_SCOPES: string(bound)
      REKEY_SWEEP_SCHEDULE: sweepSchedule
      REKEY_VAULTS: join(vaultUrls, ',')
      ...(outcomeTopic ? { REKEY_EVENT_TOPIC: topic!.outputs.endpoint } : {})
      ...(empty(signInClientId)
        ? {}
        : {
            '${vouchingSetting}': appIdentity.properties.clientId
            WEBSITE_AUTH_AAD_ALLOWED_TENANTS: tenant().tenantId
          })
      ...(empty(policyDocument) ? {} : { REKEY_POLICY: policyDocument })
      ...(empty(logsWorkspace) ? {} : { REKEY_LOGS_WORKSPACE: logsRole!.outputs.customerId })
      ...(empty(endpoints) ? {} : { REKEY_ENDPOINTS: string(endpoints) })
      ...(startsWith(runbookUrl, 'https://') ? { REKEY_RUNBOOK: runbookUrl } : {})
    }
  }
  dependsOn: [storage, eventStorage, network, storageEndpoints, eventEndpoints, topicEndpoint, vaultEndpoint]
}

// Rights need minutes to work, and two steps fail without them: Azure puts the package into the storage account with
// the app's identity, and Event Grid looks whether a topic's identity may deliver before it subscribes to anything.
var subscribed = filter(managed, one => one.events)

@batchSize(1)
module rightsSpread 'modules/pause.bicep' = [
  for _ in range(0, empty(packageUri) && empty(subscribed) ? 0 : 20): { dependsOn: [storage, vaultAccess] }
]

module vaultEvents 'modules/vault-subscription.bicep' = [
  for one in subscribed: {
    scope: resourceGroup(one.subscription, one.resourceGroup)
    params: { topicName: topicOf(name, one), storageId: eventsId }
    dependsOn: [vaultAccess, rightsSpread]
  }
]

module package 'modules/package.bicep' = if (!empty(packageUri)) {
  params: { appName: uniqueName, packageUri: packageUri, remoteBuild: remoteBuild }
  dependsOn: [app, rightsSpread, vaultAccess, sourceAccess, subscriptionAccess]
}

module appEndpoint 'modules/private-endpoint.bicep' = if (privateNetwork && privateApp) {
  params: {
    name: '${uniqueName}-app'
    location: location
    tags: appTags
    targetId: resourceId('Microsoft.Web/sites', uniqueName)
    group: 'sites'
    subnetId: endpointSubnetId
    zoneId: resourceId('Microsoft.Network/privateDnsZones', privateZone(cloud, 'sites'))
  }
  dependsOn: [network, app]
}

module alertRules 'modules/alerts.bicep' = if (alerts) {
  params: {
    name: name
    location: location
    tags: appTags
    insightsId: insightsId
    workspaceId: workspaceId
    vaultUrls: vaultUrls
    // Azure refuses an action group that names one address twice.
    mails: union(alertMails, [])
    actionGroups: alertActionGroups
    tuning: alertsTuned
    runbookUrl: runbookUrl
    deployedAt: deployedAt
  }
  dependsOn: [monitoring]
}

module workbookTiles 'modules/workbook.bicep' = if (workbook) {
  params: {
    title: name
    location: location
    tags: appTags
    insightsId: insightsId
    vaultUrls: vaultUrls
    runbookUrl: runbookUrl
  }
  dependsOn: [monitoring]
}

module policies 'modules/policies.bicep' = [
  for place in vaultGroups: if (azurePolicy != null) {
    scope: resourceGroup(place.subscription, place.group)
    params: { name: name, demands: azurePolicy! }
  }
]

@description('Name of the app, for az functionapp.')
output appName string = uniqueName

@description('URL of the app\'s HTTP triggers.')
output appUrl string = 'https://${app.outputs.hostName}'

@description('Object id of the app\'s identity, for scripts/grant_graph.py and for users in databases.')
output identityPrincipalId string = appIdentity.properties.principalId

@description('Name of the app\'s identity, as CREATE USER … FROM EXTERNAL PROVIDER takes it.')
output identityName string = appIdentity.name

@description('Client ids of the applications that the identity must own, for scripts/grant_graph.py.')
output applications string[] = union(flatten(map(managed, one => one.applications)), [])
