// A cluster with workload identity, and an identity that External Secrets Operator reads one secret with.
metadata description = 'AKS with workload identity; External Secrets Operator reads a secret that Rekey rotates.'

@description('How the cluster and the identity are called.')
@minLength(2)
@maxLength(40)
param name string

@description('The vault, in this resource group. It uses Azure RBAC.')
param vaultName string

@description('The secret in it: a connection string that Rekey rotates.')
param secretName string = 'shop-storage'

@description('The namespace of the application, and its service account, as external-secret.yaml names them.')
param subject { namespace: string, serviceAccount: string } = {
  namespace: 'shop'
  serviceAccount: 'shop-secrets'
}

@description('Where the cluster runs.')
param location string = resourceGroup().location

@description('The machines of the cluster.')
param machine string = 'Standard_D2s_v5'

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security#key-vault-secrets-user
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName

  resource secret 'secrets' existing = {
    name: secretName
  }
}

resource cluster 'Microsoft.ContainerService/managedClusters@2024-09-01' = {
  name: name
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    dnsPrefix: name
    oidcIssuerProfile: {
      enabled: true
    }
    securityProfile: {
      workloadIdentity: {
        enabled: true
      }
    }
    agentPoolProfiles: [
      {
        name: 'system'
        mode: 'System'
        count: 1
        vmSize: machine
      }
    ]
  }
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location

  @description('The service account of the application\'s namespace is this identity, and no other one is.')
  resource trust 'federatedIdentityCredentials' = {
    name: 'external-secrets'
    properties: {
      issuer: cluster.properties.oidcIssuerProfile.issuerURL
      subject: 'system:serviceaccount:${subject.namespace}:${subject.serviceAccount}'
      audiences: ['api://AzureADTokenExchange']
    }
  }
}

@description('This one secret only: the namespace sees no other of the vault.')
resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault::secret.id, identity.id, secretsUser)
  scope: vault::secret
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

@description('Goes into external-secret.yaml, as client-id of the service account.')
output clientId string = identity.properties.clientId

@description('Goes into external-secret.yaml, as tenantId of the store.')
output tenantId string = identity.properties.tenantId

@description('Goes into external-secret.yaml, as vaultUrl of the store.')
output vaultUrl string = vault.properties.vaultUri
