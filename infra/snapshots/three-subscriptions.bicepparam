// Three vaults in three subscriptions, none of them the one that is deployed to; one is bound to a whole subscription and has a system topic.
using '../main.bicep'

param vaults = [
  {
    name: 'contoso-one'
    resourceGroup: 'secrets'
    subscription: '11111111-1111-1111-1111-111111111111'
    scopes: ['/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/data']
  }
  {
    name: 'contoso-two'
    resourceGroup: 'secrets'
    subscription: '22222222-2222-2222-2222-222222222222'
    scopes: [
      '/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/data/providers/Microsoft.Storage/storageAccounts/contosotwo'
      '/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/data'
    ]
  }
  {
    name: 'contoso-three'
    resourceGroup: 'secrets'
    subscription: '33333333-3333-3333-3333-333333333333'
    scopes: ['/subscriptions/33333333-3333-3333-3333-333333333333']
    kinds: ['storage-key', 'sql-admin-password']
    existingTopic: 'contoso-three-9a1f'
  }
]

param alertsTuned = { drift: { enabled: false }, unswept: { window: 'P2D' } }

param azurePolicy = { validityDays: 100, activeDays: 100 }

param allowedAddresses = ['203.0.113.0/24']

param cloud = {
  name: 'AzureCloud'
  resourceManager: 'https://management.azure.com/'
  loginEndpoint: 'https://login.microsoftonline.com/'
  keyvaultDns: '.vault.azure.net'
  storage: 'core.windows.net'
}

param deployedAt = '2026-11-02T09:00:00Z'
