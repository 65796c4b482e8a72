// An App Service that reads a connection string, which Rekey rotates, through a Key Vault reference.
metadata description = 'A web app whose setting Storage is a reference to a secret that Rekey rotates.'

@description('How the app and its plan are called.')
@minLength(2)
@maxLength(40)
param name string

@description('The vault, in this resource group. It uses Azure RBAC.')
param vaultName string

@description('The secret in it: a connection string that Rekey rotates.')
param secretName string = 'shop-storage'

@description('Where the app runs.')
param location string = resourceGroup().location

@description('What the plan costs.')
param sku string = 'B1'

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security#key-vault-secrets-user
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName

  resource secret 'secrets' existing = {
    name: secretName
  }
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: name
  location: location
  kind: 'linux'
  sku: {
    name: sku
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    siteConfig: {
      linuxFxVersion: 'PYTHON|3.13'
      ftpsState: 'Disabled'
      minTlsVersion: '1.2'
      appSettings: [
        {
          name: 'Storage'
          // Without a version: a reference that names one never changes.
          value: '@Microsoft.KeyVault(VaultName=${vault.name};SecretName=${secretName})'
        }
      ]
    }
  }
}

@description('This one secret only: the app sees no other of the vault.')
resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault::secret.id, app.id, secretsUser)
  scope: vault::secret
  properties: {
    principalId: app.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

@description('What goes into `consumers` of the vault in Rekey\'s parameters, and of the policy document.')
output consumer string = app.id
