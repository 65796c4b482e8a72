// The Functions app on a Flex Consumption plan.

import { httpConcurrency, openPaths, vouchingSetting } from '../names.bicep'
import { texts } from '../types.bicep'

@description('Name of the app, which is part of its URL.')
@minLength(2)
@maxLength(60)
param name string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags texts

@description('Id of the app\'s identity.')
param identityId string

@description('The application settings.')
param settings texts

@description('URL of the container that the code package is kept in.')
param packageContainerUrl string

@description('Memory of an instance, in MB.')
param instanceMemory 512 | 2048 | 4096

@description('How many instances there may be at most.')
@minValue(1)
@maxValue(1000)
param maximumInstances int

@description('Whether instances are replaced one after the other at a change, instead of all at once.')
param rollingUpdates bool

@description('Id of the subnet that the app runs in; none if empty.')
param subnetId string

@description('Whether the app is closed to the internet.')
param closed bool

@description('Ranges of addresses that may reach the app; all if empty. Callers need a function key or a role in any case.')
param allowedAddresses string[]

@description('Client id of the app registration that callers sign in with; function keys open the app if empty.')
param signInClientId string

@description('URL of Microsoft Entra, with a slash at its end.')
param loginEndpoint string

@description('Id of the Log Analytics workspace for the diagnostic settings; none are made if empty.')
param workspaceId string

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: closed ? 'Disabled' : 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainerUrl
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemory
        maximumInstanceCount: maximumInstances
        // By itself one call at a time for Python: a call that waits would take a whole instance.
        triggers: { http: { perInstanceConcurrency: httpConcurrency } }
      }
      // All at once ends what runs: a message comes back and is worked on from its record. One after the other is a preview:
      // https://learn.microsoft.com/azure/azure-functions/flex-consumption-site-updates
      #disable-next-line BCP037 // The published types do not know it yet; az functionapp update-strategy sets the same.
      siteUpdateStrategy: rollingUpdates ? { type: 'RollingUpdate' } : null
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ipSecurityRestrictionsDefaultAction: empty(allowedAddresses) ? 'Allow' : 'Deny'
      ipSecurityRestrictions: [
        for (range, index) in allowedAddresses: {
          name: 'allowed-${index}'
          action: 'Allow'
          priority: 100 + index
          ipAddress: range
        }
      ]
      scmIpSecurityRestrictionsUseMain: true
      appSettings: map(items(settings), setting => { name: setting.key, value: setting.value })
    }
  }
}

resource noFtpPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource noPublishingPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

// While it is in force the app believes what it says of callers. docs/access.md says what rests on that.
resource signIn 'Microsoft.Web/sites/config@2024-04-01' = if (!empty(signInClientId)) {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: { enabled: true, runtimeVersion: '~1' }
    globalValidation: {
      requireAuthentication: true
      // Programs are told so; people begin at /.auth/login/aad.
      unauthenticatedClientAction: 'Return401'
      redirectToProvider: 'azureactivedirectory'
      // What believes no caller's name: probes, the description, and Event Grid, which shows a key of its own.
      excludedPaths: openPaths
    }
    httpSettings: { requireHttps: true, forwardProxy: { convention: 'NoProxy' } }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: signInClientId
          // No secret: the app's identity vouches for it, as the registration's federated credential says.
          clientSecretSettingName: vouchingSetting
          openIdIssuer: '${loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: { allowedAudiences: [signInClientId, 'api://${signInClientId}'] }
      }
    }
    login: {
      tokenStore: { enabled: false }
      cookieExpiration: { convention: 'FixedTime', timeToExpiration: '08:00:00' }
    }
  }
  dependsOn: [noFtpPasswords, noPublishingPasswords]
}

resource appLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(workspaceId)) {
  scope: app
  name: 'rekey'
  properties: { workspaceId: workspaceId, logs: [{ category: 'FunctionAppLogs', enabled: true }] }
}

@description('Host name of the app.')
output hostName string = app.properties.defaultHostName
