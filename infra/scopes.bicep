// Reading the vaults' scopes: which right they mean, and where.

import { fullVault, grant, sourceRole, vault } from 'types.bicep'

var subscriptionParts = 3
var groupParts = 5
var resourceParts = 9
var databaseParts = 11

@export()
@description('Fills in what a vault leaves out, and writes ids in lower case, since Azure does not tell cases apart.')
func filled(one vault, thisGroup string, thisSubscription string) fullVault => {
  name: toLower(one.name)
  resourceGroup: toLower(one.?resourceGroup ?? thisGroup)
  subscription: toLower(one.?subscription ?? thisSubscription)
  scopes: map(one.?scopes ?? [], scope => tidied(scope))
  applications: map(one.?applications ?? [], application => toLower(trim(application)))
  kinds: one.?kinds ?? ['storage-key']
  events: one.?events ?? true
}

@description('An id in lower case, without blanks around it and without a slash at its end.')
func tidied(scope string) string => toLower(trim(replace('${trim(scope)}\n', '/\n', '')))

@export()
@description('Every right that the scopes of one vault need at the sources.')
func grantsOf(one fullVault) grant[] =>
  flatten(map(one.scopes, scope => map(rolesAt(scope, one.kinds), role => grantAt(split(scope, '/'), role))))

@description('The roles that one scope needs: what it can hold, of what the vault\'s secrets may be.')
func rolesAt(scope string, kinds string[]) sourceRole[] =>
  concat(
    contains(kinds, 'storage-key') && (length(split(scope, '/')) <= groupParts || contains(scope, '/microsoft.storage/'))
      ? ['storage-keys']
      : [],
    contains(kinds, 'sql-admin-password') && (length(split(scope, '/')) <= groupParts || isServer(scope))
      ? ['sql-administrator']
      : []
  )

@description('Whether a scope is a whole SQL server.')
func isServer(scope string) bool =>
  length(split(scope, '/')) == resourceParts && contains(scope, '/microsoft.sql/servers/')

@description('One right at the place that an id names.')
func grantAt(parts string[], role sourceRole) grant => {
  subscription: parts[2]
  group: length(parts) >= groupParts ? parts[4] : ''
  resource: length(parts) >= resourceParts ? parts[8] : ''
  role: role
}

@export()
@description('Whether this is an id that Rekey can be given: a subscription, a group, a storage account, a SQL server or database.')
func isScope(scope string) bool =>
  startsWith(scope, '/subscriptions/') && empty(filter(skip(split(scope, '/'), 1), part => empty(part))) && (length(split(
    scope,
    '/'
  )) == subscriptionParts || (contains(scope, '/resourcegroups/') && (length(split(scope, '/')) == groupParts || isSource(split(
    scope,
    '/'
  )))))

@description('Whether these are the parts of the id of a storage account, a SQL server or a database.')
func isSource(parts string[]) bool =>
  (length(parts) == resourceParts && contains(
    ['providers/microsoft.storage/storageaccounts', 'providers/microsoft.sql/servers'],
    join(take(skip(parts, 5), 3), '/')
  )) || (length(parts) == databaseParts && join(take(skip(parts, 5), 3), '/') == 'providers/microsoft.sql/servers' && parts[9] == 'databases')

@export()
@description('Whether a text is built like a GUID.')
func isGuid(text string) bool =>
  join(map(split(text, '-'), part => string(length(part))), '-') == '8-4-4-4-12' && isMadeOf(text, '0123456789abcdef-')

@export()
@description('Whether a text holds no other characters than these.')
func isMadeOf(text string, characters string) bool =>
  empty(filter(range(0, length(text)), index => !contains(characters, substring(text, index, 1))))
