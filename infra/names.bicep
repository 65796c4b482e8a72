// Names that the template and the app's code share: function_app.py, cloud/queues.py and cloud/leases.py.

@export()
@description('The queue that Event Grid delivers to.')
var eventQueue = 'vault-events'

@export()
@description('What the triggers read, each with the queue that the host moves to what failed too often.')
var queues = flatten(map([eventQueue, 'sweeps', 'rotations'], queue => [queue, '${queue}-poison']))

@export()
@description('The container of the leases.')
var leaseContainer = 'rekey-leases'

@export()
@description('The container of the code package.')
var packageContainer = 'deployments'

@export()
@description('The container of events that could not be delivered.')
var deadLetterContainer = 'dead-letters'

@export()
@description('Names of the custom roles, and of what they are assigned under.')
func roleId(scope string, owner string, role string) string => guid(scope, owner, role)
