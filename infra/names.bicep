// Names that the template and the app's code share: function_app.py and cloud/storage.

import { fullVault } from 'types.bicep'

@export()
@description('The queue that Event Grid delivers to.')
var eventQueue = 'vault-events'

@export()
@description('The queues of the app\'s own account, each with the queue that the host moves to what failed too often.')
var queues = withPoison(['sweeps', rotationQueue])

@export()
@description('The queue that a rotation is asked for on.')
var rotationQueue = 'rotations'

@export()
@description('The queues of the account that Event Grid delivers to.')
var eventQueues = withPoison([eventQueue])

@description('Queues, each with the one that the host moves to what failed too often.')
func withPoison(names string[]) string[] => flatten(map(names, name => [name, '${name}-poison']))

@export()
@description('The container of the leases.')
var leaseContainer = 'rekey-leases'

@export()
@description('How the names of blobs in it begin that hold what requests with an Idempotency-Key were answered.')
var answerPrefix = 'requests/'

@export()
@description('The container of the code package.')
var packageContainer = 'deployments'

@export()
@description('The container of events that could not be delivered.')
var deadLetterContainer = 'dead-letters'

@export()
@description('The system topic of a vault.')
func topicOf(prefix string, vault fullVault) string =>
  empty(vault.existingTopic) ? '${prefix}-${vault.name}' : vault.existingTopic

@export()
@description('Names of the custom roles, and of what they are assigned under.')
func roleId(scope string, owner string, role string) string => guid(scope, owner, role)

@export()
@description('How many calls one instance answers at a time: what host.json lets in, and api/app.py holds.')
var httpConcurrency = 100

@export()
@description('Paths that nobody has to sign in for. Event Grid shows the key of its extension on the last.')
var openPaths = [
  '/api/dashboard'
  '/api/health'
  '/api/leaks/github'
  '/api/openapi.json'
  '/runtime/webhooks/eventgrid'
]

@export()
@description('The setting that names the identity which vouches for the app at sign-in: https://learn.microsoft.com/azure/app-service/configure-authentication-provider-aad.')
var vouchingSetting = 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
