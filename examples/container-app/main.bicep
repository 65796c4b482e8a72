// A Container App that reads a connection string, which Rekey rotates, as a secret of its own out of Key Vault.
metadata description = 'A Container App whose environment variable STORAGE is a secret that Rekey rotates.'

@description('How the app, its environment and its identity are called.')
@minLength(2)
@maxLength(32)
param name string

@description('The vault, in this resource group. It uses Azure RBAC.')
param vaultName string

@description('The secret in it: a connection string that Rekey rotates.')
param secretName string = 'shop-storage'

@description('What is run.')
param image string = 'mcr.microsoft.com/k8se/quickstart:latest'

@description('Where the app runs.')
param location string = resourceGroup().location

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security#key-vault-secrets-user
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName

  resource secret 'secrets' existing = {
    name: secretName
  }
}

// An identity of its own, since the app reads the secret while it is being made.
resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
}

@description('This one secret only: the app sees no other of the vault.')
resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault::secret.id, identity.id, secretsUser)
  scope: vault::secret
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

resource environment 'Microsoft.App/managedEnvironments@2024-03-01' = {
  name: name
  location: location
  properties: {}
}

resource app 'Microsoft.App/containerApps@2024-03-01' = {
  name: name
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    environmentId: environment.id
    configuration: {
      // A refresh makes a new revision, which takes the place of the one before it.
      activeRevisionsMode: 'Single'
      secrets: [
        {
          name: 'storage'
          // Without a version: a reference that names one never changes.
          keyVaultUrl: '${vault.properties.vaultUri}secrets/${secretName}'
          identity: identity.id
        }
      ]
    }
    template: {
      containers: [
        {
          name: 'app'
          image: image
          env: [
            {
              name: 'STORAGE'
              secretRef: 'storage'
            }
          ]
        }
      ]
    }
  }
  dependsOn: [
    reads
  ]
}

@description('What goes into `consumers` of the vault in Rekey\'s parameters, and of the policy document.')
output consumer string = app.id
