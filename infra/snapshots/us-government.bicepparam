// Another cloud. While deploying, environment() gives these names by itself.
using '../main.bicep'

param location = 'usgovvirginia'

param vaults = [
  {
    name: 'agency-prod'
    resourceGroup: 'prod'
    scopes: ['/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/data']
  }
]

param privateNetwork = true
param outcomeTopic = true
param vaultEndpoints = true

param cloud = {
  name: 'AzureUSGovernment'
  resourceManager: 'https://management.usgovcloudapi.net/'
  loginEndpoint: 'https://login.microsoftonline.us/'
  keyvaultDns: '.vault.usgovcloudapi.net'
  storage: 'core.usgovcloudapi.net'
}

param deployedAt = '2026-11-02T09:00:00Z'
