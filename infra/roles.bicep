// What each custom role for sources and consumers holds. docs/permissions.md says why, and what happens without it.

import { keyedActions, keyedSummaries } from 'kinds.bicep'
import { sourceRole } from 'types.bicep'

@export()
@description('The actions of a role, and nothing else.')
func roleActions(role sourceRole) string[] =>
  union(keyedActions, {
    'sql-administrator': [
      'Microsoft.Sql/servers/read'
      'Microsoft.Sql/servers/write'
      'Microsoft.Sql/servers/azureADOnlyAuthentications/read'
    ]
    // The action that refreshes references is in no list of Azure's, and a role may name listed ones only: so all, but those below.
    'web-references': [
      'Microsoft.Web/sites/config/read'
      'Microsoft.Web/sites/config/appsettings/read'
      'Microsoft.Web/sites/config/*/action'
      'Microsoft.Web/sites/slots/config/read'
      'Microsoft.Web/sites/slots/config/appsettings/read'
      'Microsoft.Web/sites/slots/config/*/action'
    ]
    'container-revisions': [
      'Microsoft.App/containerApps/read'
      'Microsoft.App/containerApps/write'
      'Microsoft.App/containerApps/revisions/read'
    ]
  })[role]

@export()
@description('The actions that a role leaves out: those that show settings with their values.')
func roleExceptions(role sourceRole) string[] =>
  role == 'web-references'
    ? [
        'Microsoft.Web/sites/config/list/action'
        'Microsoft.Web/sites/config/snapshots/listsecrets/action'
        'Microsoft.Web/sites/slots/config/list/action'
        'Microsoft.Web/sites/slots/config/snapshots/listsecrets/action'
      ]
    : []

@export()
@description('What a role is for, as the portal shows it.')
func roleSummary(role sourceRole) string =>
  union(keyedSummaries, {
    'sql-administrator': 'Lets Rekey set the administrator\'s password of SQL servers.'
    'web-references': 'Lets Rekey refresh the Key Vault references of App Service and Functions apps.'
    'container-revisions': 'Lets Rekey give Container Apps a new revision.'
  })[role]
