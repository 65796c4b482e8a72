// The least: one vault, one account, and everything that can be left out left out.
using '../main.bicep'

param vaults = [
  {
    name: 'contoso-prod'
    scopes: [
      '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/Data/providers/Microsoft.Storage/storageAccounts/contosodata'
    ]
    events: false
  }
]

param deployerAccess = false
param diagnostics = false
param alerts = false
param workbook = false

param cloud = {
  name: 'AzureCloud'
  resourceManager: 'https://management.azure.com/'
  loginEndpoint: 'https://login.microsoftonline.com/'
  keyvaultDns: '.vault.azure.net'
  storage: 'core.windows.net'
}

param deployedAt = '2026-11-02T09:00:00Z'
