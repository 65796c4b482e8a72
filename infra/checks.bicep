// What is wrong with the parameters: every problem, each with its fix, before anything is deployed.

import { alertRules } from 'alert-rules.bicep'
import { alertTuning, endpoint, endpointsByKind, fullVault } from 'types.bicep'
import { isConsumer, isGuid, isMadeOf, isScope, tidied } from 'scopes.bicep'

var letters = 'abcdefghijklmnopqrstuvwxyz'
var digits = '0123456789'

@export()
@description('What is wrong with the name of the deployment.')
func nameProblems(name string) string[] =>
  isMadeOf(name, '${letters}${digits}-') && contains(letters, substring(name, 0, 1)) && !endsWith(name, '-')
    ? []
    : ['name is \'${name}\': write lower-case letters, digits and dashes, beginning with a letter']

@export()
@description('What is wrong with the list of vaults.')
func vaultProblems(vaults fullVault[]) string[] => concat(map(filter(union(map(vaults, one => one.name), []), name => length(filter(vaults, one => one.name == name)) > 1), name => 'vault ${name} is listed twice, which would make two system topics for it: join its scopes in one entry'), flatten(map(vaults, one => problemsOf(one))))

@description('What is wrong with one vault.')
func problemsOf(one fullVault) string[] =>
  concat(
    isMadeOf(one.name, '${letters}${digits}-') ? [] : ['vault ${one.name}: write its bare name, not its URL or id'],
    isGuid(one.subscription) ? [] : ['vault ${one.name}: subscription \'${one.subscription}\' is no subscription\'s id'],
    empty(one.scopes) && empty(one.applications) && empty(one.ownKinds)
      ? [
          'vault ${one.name} may rotate nothing: list scopes or applications, since without them its secrets are left alone'
        ]
      : [],
    !one.events && !empty(one.existingTopic)
      ? ['vault ${one.name}: existingTopic means nothing with events: false: leave one of the two out']
      : [],
    empty(one.kinds) ? ['vault ${one.name}: kinds is empty: leave it out, or list what the secrets are'] : [],
    map(
      filter(one.scopes, scope => !isScope(scope)),
      scope =>
        'vault ${one.name}: scope \'${scope}\' is none: write the id of a subscription, a resource group, a storage account, a SQL server or a database'
    ),
    map(
      filter(
        concat(one.scopes, one.consumers),
        scope => (isScope(scope) || isConsumer(scope)) && !isGuid(split(scope, '/')[2])
      ),
      scope => 'vault ${one.name}: scope \'${scope}\' names no subscription\'s id'
    ),
    map(
      filter(one.consumers, consumer => !isConsumer(consumer)),
      consumer =>
        'vault ${one.name}: consumer \'${consumer}\' is none: write the id of an App Service or Functions app, or of a Container App'
    ),
    map(
      filter(one.applications, application => !isGuid(application)),
      application => 'vault ${one.name}: application \'${application}\' is no client id'
    ),
    map(
      filter(one.ownKinds, source => !startsWith(source, '/kinds/') || empty(split(source, '/')[?2] ?? '')),
      source => 'vault ${one.name}: ownKinds \'${source}\' is none: write /kinds/<kind> or /kinds/<kind>/<name>'
    )
  )

@export()
@description('What is wrong with the id of the policy document, which the app would not start with.')
func policyProblems(id string, vaults fullVault[], keyvaultDns string) string[] =>
  empty(id) || isSecret(tidied(id), vaults, keyvaultDns)
    ? []
    : [
        'policyDocument \'${id}\' is no secret of a listed vault: write https://<vault>${keyvaultDns}/secrets/<name>, without a version'
      ]

@description('Whether an id in lower case is that of a secret of a listed vault, without a version.')
func isSecret(id string, vaults fullVault[], keyvaultDns string) bool =>
  isId(last(split(id, '/')), '${letters}${digits}-', '', 127) && contains(
    map(vaults, one => 'https://${one.name}${keyvaultDns}/secrets/${last(split(id, '/'))}'),
    id
  )

@export()
@description('What is wrong with the schedule of the sweeps, which the app would not start with.')
func scheduleProblems(schedule string) string[] =>
  isSchedule(filter(split(toLower(schedule), ' '), field => !empty(field)))
    ? []
    : [
        'sweepSchedule is \'${schedule}\': write six fields, second minute hour day month weekday, such as 0 0 * * * *, and the earlier end of a range first'
      ]

@description('What one field of a schedule may hold: numbers, or names from the lowest on.')
type place = { low: int, high: int, names: string[] }

var places place[] = [
  { low: 0, high: 59, names: [] }
  { low: 0, high: 59, names: [] }
  { low: 0, high: 23, names: [] }
  { low: 1, high: 31, names: [] }
  { low: 1, high: 12, names: split('jan feb mar apr may jun jul aug sep oct nov dec', ' ') }
  { low: 0, high: 6, names: split('sun mon tue wed thu fri sat', ' ') }
]

@description('Whether these are the fields of a schedule: cloud/settings.py says the same.')
func isSchedule(fields string[]) bool =>
  length(fields) == length(places) && empty(filter(
    fields,
    (field, index) => !isField(field, places[?index] ?? places[0])
  ))

@description('Whether a field is valid at its place.')
func isField(field string, at place) bool => empty(filter(split(field, ','), part => !isRepeated(split(part, '/'), at)))

@description('Whether these are a range of times, and perhaps how many of them are one step.')
func isRepeated(parts string[], at place) bool =>
  length(parts) <= 2 && isNumber(parts[?1] ?? '1') && !startsWith(parts[?1] ?? '1', '0') && (parts[0] == '*' || isRange(
    map(split(parts[0], '-'), end => isNumber(end) ? int(end) : at.low + indexOf(at.names, end)),
    at
  ))

@description('Whether these are the ends of a range. A name that is unknown lies just below the lowest.')
func isRange(ends int[], at place) bool =>
  length(ends) <= 2 && at.low <= ends[0] && ends[0] <= last(ends)! && last(ends)! <= at.high

@description('Whether this is a number of one or two digits.')
func isNumber(text string) bool => contains([1, 2], length(text)) && isMadeOf(text, digits)

@export()
@description('What is wrong with the endpoints of kinds of one\'s own, which the app would not start with.')
func endpointProblems(endpoints endpointsByKind, vaults fullVault[], keyvaultDns string) string[] =>
  flatten(map(
    items(endpoints),
    one =>
      concat(
        isAddress(one.value.url)
          ? []
          : [
              'endpoints: the url of ${one.key} is none: write https://<host>/<path>, the host in lower case, without a user and a query'
            ],
        !contains(one.value.key, ' ') && isSecret(tidied(one.value.key), vaults, keyvaultDns)
          ? []
          : [
              'endpoints: the key of ${one.key} is no secret of a listed vault: write https://<vault>${keyvaultDns}/secrets/<name>, without a version'
            ],
        length(slotsOf(one.value)) == slotCounts[one.value.strategy] && areIds(
            slotsOf(one.value),
            '${letters}${toUpper(letters)}${digits}',
            '._-',
            100
          )
          ? []
          : [
              'endpoints: the slots of ${one.key} are not ${slotCounts[one.value.strategy]} ids of credentials for ${one.value.strategy}'
            ],
        one.value.?fields != [] && areIds(one.value.?fields ?? ['credential'], letters, '${digits}_', 40)
          ? []
          : ['endpoints: the fields of ${one.key} are none: list placeholders, the credential\'s own first']
      )
  ))

@description('Whether this is an address that the app takes: https alone, without a user and a query. cloud/endpoints.py says the same.')
func isAddress(url string) bool =>
  startsWith(url, 'https://') && !contains('/${skip(url, 8)}', '//') && isHost(split(split(url, '/')[?2] ?? '', ':')) && isMadeOf(
    toLower(join(skip(split(url, '/'), 3), '/')),
    '${letters}${digits}._~-/'
  )

@description('Whether these are a host and perhaps its port.')
func isHost(parts string[]) bool =>
  length(parts) <= 2 && isPort(parts[?1] ?? '443') && length(parts[0]) <= 253 && empty(filter(
    split(parts[0], '.'),
    label => endsWith(label, '-') || !isId(label, '${letters}${digits}', '-', 63)
  ))

@description('Whether this is the number of a port.')
func isPort(text string) bool =>
  contains(range(1, 5), length(text)) && isMadeOf(text, digits) ? int(text) > 0 && int(text) < 65536 : false

var slotCounts = { 'two-slots': 2, 'single-slot': 1, many: 0 }

@description('The ids of an endpoint\'s credentials, or what stands for them where none are listed.')
func slotsOf(one endpoint) string[] => one.?slots ?? (one.strategy == 'single-slot' ? ['credential'] : [])

@description('Whether all of these are ids, and none is there twice.')
func areIds(texts string[], first string, more string, most int) bool => length(union(texts, [])) == length(texts) && empty(filter(texts, text => !isId(text, first, more, most)))

@description('Whether a text begins with one of the first characters, and goes on with these or more.')
func isId(text string, first string, more string, most int) bool =>
  !empty(text) && length(text) <= most && contains(first, take(text, 1)) && isMadeOf(text, '${first}${more}')

@export()
@description('What is wrong with how the app is to be reached.')
func networkProblems(privateNetwork bool, privateApp bool, vaultEndpoints bool, allowed string[]) string[] =>
  concat(
    privateApp && !privateNetwork ? ['privateApp needs privateNetwork, without which nobody could reach the app'] : [],
    vaultEndpoints && !privateNetwork
      ? ['vaultEndpoints needs privateNetwork: set it, or leave vaultEndpoints out']
      : [],
    privateApp && !empty(allowed) ? ['allowedAddresses means nothing with privateApp: leave one of the two out'] : []
  )

@export()
@description('What is wrong with the app registration that callers sign in with.')
func signInProblems(clientId string) string[] =>
  empty(clientId) || isGuid(toLower(clientId))
    ? []
    : ['signInClientId \'${clientId}\' is no client id: scripts/app_registration.py prints it']

var minutes = { PT15M: 15, PT30M: 30, PT1H: 60, PT3H: 180, PT6H: 360, P1D: 1440, P2D: 2880 }

@export()
@description('What is wrong with what differs from the alerts as they are. Azure refuses a rule that looks back less far than it waits.')
func alertProblems(tuned { *: alertTuning }) string[] =>
  concat(
    map(
      filter(objectKeys(tuned), name => !contains(alertRules, name)),
      name => 'alertsTuned names ${name}: known are ${join(objectKeys(alertRules), ', ')}'
    ),
    map(
      filter(
        items(tuned),
        one => minutes[one.value.?window ?? 'P2D'] < minutes[alertRules[?one.key].?frequency ?? 'PT15M']
      ),
      one =>
        'alertsTuned: the window of ${one.key} is shorter than ${alertRules[?one.key].?frequency ?? ''}, the time between two looks: write that or more'
    )
  )

@export()
@description('What is wrong with the logs, and with the workspace that gets those of storage accounts.')
func logsProblems(id string, diagnostics bool, auditLogs bool) string[] =>
  concat(
    auditLogs && !diagnostics ? ['auditLogs needs diagnostics: leave one of the two out'] : [],
    empty(id) || isWorkspace(split(toLower(id), '/'))
      ? []
      : [
          'logsWorkspace \'${id}\' is none: write the id of a Log Analytics workspace, /subscriptions/…/workspaces/<name>'
        ]
  )

var workspaceWords = 'subscriptions/resourcegroups/providers/microsoft.operationalinsights/workspaces'

@description('Whether the parts of an id are those of a Log Analytics workspace.')
func isWorkspace(parts string[]) bool =>
  length(parts) == 9 && isGuid(parts[?2] ?? '') && !contains([parts[?4], parts[?8]], '') && '${parts[?1]}/${parts[?3]}/${parts[?5]}/${parts[?6]}/${parts[?7]}' == workspaceWords

@export()
@description('What is wrong with where the package is.')
func packageProblems(uri string) string[] =>
  concat(
    empty(uri) || startsWith(uri, 'https://') ? [] : ['packageUri is no https URL'],
    contains(toLower(uri), 'sig=')
      ? ['packageUri holds a signature, which is a secret: use a URL that is public or that the identity may read']
      : []
  )
