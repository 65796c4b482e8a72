// Reading the vaults' scopes: which right they mean, and where.

import { fullVault, grant, sourceRole, vault } from 'types.bicep'

var subscriptionParts = 3
var groupParts = 5
var resourceParts = 9
var databaseParts = 11

@export()
@description('The kinds whose role is called as they are, with an s at the end, and the types of resource that each is of.')
var keyedTypes = {
  'service-bus-key': ['microsoft.servicebus/namespaces']
  'event-hubs-key': ['microsoft.eventhub/namespaces']
  'ai-services-key': ['microsoft.cognitiveservices/accounts']
  'search-admin-key': ['microsoft.search/searchservices']
  'app-configuration-key': ['microsoft.appconfiguration/configurationstores']
  'container-registry-password': ['microsoft.containerregistry/registries']
  'batch-key': ['microsoft.batch/batchaccounts']
  'communication-key': ['microsoft.communication/communicationservices']
  'maps-key': ['microsoft.maps/accounts']
  'signalr-key': ['microsoft.signalrservice/signalr']
  'web-pubsub-key': ['microsoft.signalrservice/webpubsub']
  'cosmos-db-key': ['microsoft.documentdb/databaseaccounts']
  'relay-key': ['microsoft.relay/namespaces']
  'notification-hubs-key': ['microsoft.notificationhubs/namespaces']
  'event-grid-key': ['microsoft.eventgrid/topics', 'microsoft.eventgrid/domains', 'microsoft.eventgrid/namespaces']
  'api-management-key': ['microsoft.apimanagement/service']
  'redis-key': ['microsoft.cache/redis', 'microsoft.cache/redisenterprise']
  'postgresql-admin-password': ['microsoft.dbforpostgresql/flexibleservers']
  'postgresql-role-password': ['microsoft.dbforpostgresql/flexibleservers']
  'mysql-admin-password': ['microsoft.dbformysql/flexibleservers']
  'mysql-user-password': ['microsoft.dbformysql/flexibleservers']
}

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
    contains(kinds, 'storage-key') && (length(split(scope, '/')) <= groupParts || contains(scope, '/microsoft.storage/'))
      ? ['storage-keys']
      : [],
    contains(kinds, 'sql-admin-password') && (length(split(scope, '/')) <= groupParts || isServer(scope))
      ? ['sql-administrator']
      : [],
    map(filter(items(keyedTypes), one => contains(kinds, one.key) && holds(scope, one.value)), one => keysOf(one.key))
  )

@description('Whether a scope can hold resources of these types: it is wider than one resource, or that resource.')
func holds(scope string, types string[]) bool =>
  length(split(scope, '/')) <= groupParts || !empty(filter(types, type => contains(scope, '/providers/${type}/')))

@description('The role at resources whose credentials are of a kind.')
func keysOf(kind string) sourceRole =>
  {
    'service-bus-key': 'service-bus-keys'
    'event-hubs-key': 'event-hubs-keys'
    'ai-services-key': 'ai-services-keys'
    'search-admin-key': 'search-admin-keys'
    'app-configuration-key': 'app-configuration-keys'
    'container-registry-password': 'container-registry-passwords'
    'batch-key': 'batch-keys'
    'communication-key': 'communication-keys'
    'maps-key': 'maps-keys'
    'signalr-key': 'signalr-keys'
    'web-pubsub-key': 'web-pubsub-keys'
    'cosmos-db-key': 'cosmos-db-keys'
    'relay-key': 'relay-keys'
    'notification-hubs-key': 'notification-hubs-keys'
    'event-grid-key': 'event-grid-keys'
    'api-management-key': 'api-management-keys'
    'redis-key': 'redis-keys'
    'postgresql-admin-password': 'postgresql-admin-passwords'
    'postgresql-role-password': 'postgresql-role-passwords'
    'mysql-admin-password': 'mysql-admin-passwords'
    'mysql-user-password': 'mysql-user-passwords'
  }[kind]

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
      ['providers/microsoft.storage/storageaccounts', 'providers/microsoft.sql/servers'],
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
