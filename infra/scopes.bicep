// Reading the vaults' scopes: which right they mean, and where.

import { keyedTypes } from 'kinds.bicep'
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
  consumers: map(one.?consumers ?? [], consumer => tidied(consumer))
  applications: map(one.?applications ?? [], application => toLower(trim(application)))
  ownKinds: map(one.?ownKinds ?? [], source => tidied(source))
  kinds: one.?kinds ?? ['storage-key']
  events: one.?events ?? true
  existingTopic: one.?existingTopic ?? ''
}

@export()
@description('An id in lower case, without blanks around it and without a slash at its end.')
func tidied(scope string) string => toLower(trim(replace('${trim(scope)}\n', '/\n', '')))

@export()
@description('Every right that one vault needs at its sources and consumers.')
func grantsOf(one fullVault) grant[] =>
  concat(
    flatten(map(one.scopes, scope => map(rolesAt(scope, one.kinds), role => grantAt(split(scope, '/'), role)))),
    map(one.consumers, consumer => grantAt(split(consumer, '/'), refreshing(consumer)))
  )

@description('The role that one consumer needs.')
func refreshing(consumer string) sourceRole =>
  contains(consumer, '/microsoft.web/') ? 'web-references' : 'container-revisions'

@description('The roles that one scope needs: what it can hold, of what the vault\'s secrets may be.')
func rolesAt(scope string, kinds string[]) sourceRole[] =>
  concat(
    contains(kinds, 'sql-admin-password') && (length(split(scope, '/')) <= groupParts || isServer(scope))
      ? ['sql-administrator']
      : [],
    map(
      filter(items(keyedTypes), one => contains(kinds, one.key) && holds(scope, one.value)),
      one => any('${one.key}s')
    )
  )

@description('Whether a scope can hold resources of these types: it is wider than one resource, or that resource.')
func holds(scope string, types string[]) bool =>
  length(split(scope, '/')) <= groupParts || !empty(filter(types, type => contains(scope, '/providers/${type}/')))

@description('Whether a scope is a whole SQL server.')
func isServer(scope string) bool =>
  length(split(scope, '/')) == resourceParts && contains(scope, '/microsoft.sql/servers/')

@description('One right at the place that an id names.')
func grantAt(parts string[], role sourceRole) grant => {
  subscription: parts[2]
  group: length(parts) >= groupParts ? parts[4] : ''
  resource: length(parts) >= resourceParts ? parts[8] : ''
  type: length(parts) >= resourceParts ? '${parts[6]}/${parts[7]}' : ''
  role: role
}

@export()
@description('Whether this is an id that Rekey can be given: a subscription, a group, a resource with keys, a SQL server or database.')
func isScope(scope string) bool =>
  isWhole(split(scope, '/')) || (isInGroup(split(scope, '/')) && isSource(split(scope, '/')))

@export()
@description('Whether this is an id of what can be told of new versions: an App Service or Functions app, or a Container App.')
func isConsumer(scope string) bool => isInGroup(split(scope, '/')) && isApp(split(scope, '/'))

@description('Whether these are the parts of the id of a whole subscription or resource group.')
func isWhole(parts string[]) bool =>
  (length(parts) == subscriptionParts && isFilled(parts)) || (length(parts) == groupParts && isInGroup(parts))

@description('Whether an id with these parts begins with a subscription and a resource group.')
func isInGroup(parts string[]) bool => isFilled(parts) && length(parts) >= groupParts && parts[3] == 'resourcegroups'

@description('Whether an id with these parts begins with a subscription, and none of its parts is empty.')
func isFilled(parts string[]) bool =>
  length(parts) > 1 && parts[0] == '' && parts[1] == 'subscriptions' && empty(filter(
    skip(parts, 1),
    part => empty(part)
  ))

@description('Whether these are the parts of the id of an App Service or Functions app, or of a Container App.')
func isApp(parts string[]) bool =>
  length(parts) == resourceParts && contains(
    ['providers/microsoft.web/sites', 'providers/microsoft.app/containerapps'],
    join(take(skip(parts, 5), 3), '/')
  )

@description('Whether these are the parts of the id of a resource with keys, a SQL server or a database.')
func isSource(parts string[]) bool =>
  (length(parts) == resourceParts && contains(
    concat(
      ['providers/microsoft.sql/servers'],
      map(flatten(map(items(keyedTypes), one => one.value)), type => 'providers/${type}')
    ),
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
