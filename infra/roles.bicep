// What each custom role for sources holds. docs/permissions.md says why, and what happens without it.

import { sourceRole } from 'types.bicep'

@export()
@description('The actions of a role, and nothing else.')
func roleActions(role sourceRole) string[] =>
  {
    'storage-keys': [
      'Microsoft.Storage/storageAccounts/read'
      'Microsoft.Storage/storageAccounts/listKeys/action'
      'Microsoft.Storage/storageAccounts/regenerateKey/action'
    ]
    'sql-administrator': [
      'Microsoft.Sql/servers/read'
      'Microsoft.Sql/servers/write'
      'Microsoft.Sql/servers/azureADOnlyAuthentications/read'
    ]
  }[role]

@export()
@description('What a role is for, as the portal shows it.')
func roleSummary(role sourceRole) string =>
  {
    'storage-keys': 'Lets Rekey read, list and regenerate the keys of storage accounts.'
    'sql-administrator': 'Lets Rekey set the administrator\'s password of SQL servers.'
  }[role]
