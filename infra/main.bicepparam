// An example: two vaults of one team. docs/deploy.md explains each line.
using 'main.bicep'

// azd sets this one; the default is for az.
param name = readEnvironmentVariable('AZURE_ENV_NAME', 'rekey')

param vaults = [
  {
    name: 'contoso-prod'
    resourceGroup: 'prod'
    scopes: ['/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/prod-data']
  }
  {
    name: 'contoso-test'
    resourceGroup: 'test'
    scopes: ['/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/test-data']
    applications: ['11111111-2222-3333-4444-555555555555']
    kinds: ['storage-key', 'service-principal-secret']
  }
]

param packageUri = readEnvironmentVariable('REKEY_PACKAGE_URI', '')
