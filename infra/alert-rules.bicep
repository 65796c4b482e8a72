// What a person is told of, and by which query. docs/deploy.md lists the rules, docs/runbook.md says what to do about each.
//
// LIMIT stands for the rule's limit, VAULTS for the managed vaults, DUE for the deployment's time plus the rule's grace, or its own window. Queries keep to what every KQL engine knows, so that tests can run them.
// A rule with `lasting` tells of a state: once, and again when it has passed. The others tell of each event.
// Nothing is told behind an alert that is open. So where a state is a count, the count is a dimension: another one, more or fewer, is another alert, and that of the former closes.

@export()
@description('The rules by their names.')
var alertRules = {
  expiring: {
    severity: 1
    why: 'A secret expires within LIMIT days, and nothing has rotated it.'
    section: 'a-secret-expires-soon'
    limit: 7
    window: 'PT6H'
    frequency: 'PT1H'
    lasting: true
    dimensions: ['vault', 'secret']
    query: '''
      let seen = customMetrics
        | where name == 'rekey.secret.days_to_expiry'
        | project timestamp, days = valueSum, vault = tostring(customDimensions.vault), secret = tostring(customDimensions.secret);
      seen
      | join kind=inner (seen | summarize timestamp = max(timestamp) by vault, secret) on vault, secret, timestamp
      | where days < LIMIT
      | project vault, secret, days
    '''
  }
  parked: {
    severity: 1
    why: 'A secret cannot be rotated until somebody fixes what its tag RekeyReason says.'
    section: 'a-secret-is-parked'
    limit: 1
    window: 'PT15M'
    frequency: 'PT15M'
    lasting: false
    dimensions: ['vault', 'secret']
    query: '''
      customMetrics
      | where name == 'rekey.parked'
      | summarize times = sum(valueSum) by vault = tostring(customDimensions.vault), secret = tostring(customDimensions.secret)
      | where times >= LIMIT
    '''
  }
  policy: {
    severity: 1
    why: 'The policy document cannot be followed or read: the last good one holds, and where there is none, nothing is rotated.'
    section: 'the-policy-is-not-followed'
    limit: 1
    window: 'PT1H'
    frequency: 'PT15M'
    lasting: true
    dimensions: ['state']
    query: '''
      customMetrics
      | where name == 'rekey.policy'
      | extend state = tostring(customDimensions.state)
      | where state != 'ok'
      | summarize times = sum(valueSum) by state
      | where times >= LIMIT
    '''
  }
  errands: {
    severity: 3
    why: 'A rotation succeeded, but an app was not seen to take the new version, or a message to an owner did not arrive.'
    section: 'an-app-was-not-refreshed'
    limit: 1
    window: 'PT15M'
    frequency: 'PT15M'
    lasting: false
    dimensions: ['errand', 'outcome']
    query: '''
      customMetrics
      | where name == 'rekey.errands'
      | extend errand = tostring(customDimensions.errand), outcome = tostring(customDimensions.outcome)
      | where outcome in ('unrefreshed', 'untold')
      | summarize times = sum(valueSum) by errand, outcome
      | where times >= LIMIT
    '''
  }
  failing: {
    severity: 2
    why: 'A rotation failed LIMIT times, and is tried again; after five tries its secret is parked.'
    section: 'a-rotation-fails'
    limit: 3
    window: 'PT30M'
    frequency: 'PT15M'
    lasting: true
    dimensions: ['vault', 'secret']
    query: '''
      dependencies
      | where name == 'rekey.rotation' and tostring(customDimensions['rekey.outcome']) == 'failed'
      | summarize tries = count() by vault = tostring(customDimensions['rekey.vault']), secret = tostring(customDimensions['rekey.secret'])
      | where tries >= LIMIT
    '''
  }
  poison: {
    severity: 1
    why: 'A queue gave a message up: its last try failed, its worker died each time, or it cannot be read.'
    section: 'messages-on-a-poison-queue'
    limit: 1
    window: 'PT3H'
    frequency: 'PT15M'
    lasting: true
    dimensions: ['queue', 'news']
    // Rekey counts what fails for the last time, and what lies there when the timer runs. Rules may not use union:
    // https://github.com/MicrosoftDocs/azure-docs/pull/81261.
    query: '''
      customMetrics
      | extend queue = tostring(customDimensions.queue)
      | where name == 'rekey.poison' or (name == 'rekey.queue.messages' and queue endswith '-poison')
      | where valueSum > 0
      | summarize failed = sumif(valueSum, name == 'rekey.poison'), most = max(valueSum), failed_at = max(timestamp) by queue
      | where failed >= LIMIT or most >= LIMIT
      | project queue, news = iff(failed > 0, strcat('given up, the last one at ', tostring(failed_at)), strcat('given up, and still there: ', tostring(toint(most))))
    '''
  }
  undelivered: {
    severity: 2
    why: 'Event Grid could not deliver an event of a vault, and put it into the container dead-letters; the sweep finds what it told.'
    section: 'dead-letters'
    limit: 1
    window: 'PT15M'
    frequency: 'PT15M'
    lasting: false
    dimensions: []
    query: '''
      StorageBlobLogs
      | where Category == 'StorageWrite' and ObjectKey contains '/dead-letters/'
      | summarize events = count()
      | where events >= LIMIT
    '''
  }
  deadletters: {
    severity: 2
    why: 'Events that Event Grid could not deliver lie in the container dead-letters; the sweep finds what they told.'
    section: 'dead-letters'
    limit: 1
    window: 'PT3H'
    frequency: 'PT15M'
    lasting: true
    dimensions: ['events']
    query: '''
      let seen = customMetrics
        | where name == 'rekey.dead_letters'
        | project timestamp, events = valueSum;
      seen
      | join kind=inner (seen | summarize timestamp = max(timestamp)) on timestamp
      | where events >= LIMIT
      | project events = tostring(toint(events))
    '''
  }
  unswept: {
    severity: 1
    why: 'For three hours no sweep of a vault came to its end, so windows, retirements and missed events wait; or the timer recheck has not asked for what is due.'
    section: 'no-sweep'
    limit: 1
    window: 'PT3H'
    frequency: 'PT15M'
    lasting: true
    dimensions: ['vault']
    query: '''
      datatable(vault: string) [VAULTS, 'recheck']
      | where now() > datetime(DUE)
      | join kind=leftanti (
          customMetrics
          | where name == 'rekey.rechecks' or (name == 'rekey.sweeps' and tostring(customDimensions.outcome) == 'completed')
          | extend vault = iff(name == 'rekey.rechecks', 'recheck', tostring(customDimensions.vault))
          | summarize sweeps = sum(valueSum) by vault
          | where sweeps >= LIMIT
        ) on vault
    '''
  }
  dropped: {
    severity: 2
    why: 'A version without tags took a secret out of management: nothing rotates it any more.'
    section: 'a-secret-was-dropped'
    limit: 1
    window: 'PT6H'
    frequency: 'PT1H'
    lasting: true
    dimensions: ['vault', 'secrets']
    query: '''
      let seen = customMetrics
        | where name == 'rekey.secrets' and tostring(customDimensions.state) == 'dropped'
        | project timestamp, secrets = valueSum, vault = tostring(customDimensions.vault);
      seen
      | join kind=inner (seen | summarize timestamp = max(timestamp) by vault) on vault, timestamp
      | where secrets >= LIMIT
      | project vault, secrets = tostring(toint(secrets))
    '''
  }
  drift: {
    severity: 2
    why: 'A source refused what its vault held: somebody changed the credential by hand.'
    section: 'drift'
    limit: 1
    window: 'PT15M'
    frequency: 'PT15M'
    lasting: false
    dimensions: ['vault', 'secret']
    query: '''
      customMetrics
      | where name == 'rekey.drift'
      | summarize times = sum(valueSum) by vault = tostring(customDimensions.vault), secret = tostring(customDimensions.secret)
      | where times >= LIMIT
    '''
  }
  denied: {
    severity: 1
    why: 'Azure refused something to Rekey, or Rekey refused a call by hand.'
    section: 'access-denied'
    limit: 1
    window: 'PT15M'
    frequency: 'PT15M'
    lasting: false
    dimensions: ['origin', 'what']
    // New roles take minutes to be known: what Azure refuses meanwhile passes by itself.
    grace: 'PT30M'
    query: '''
      customMetrics
      | where name == 'rekey.access.denied'
      | extend origin = tostring(customDimensions['where']), what = tostring(customDimensions.what)
      | where origin == 'caller' or timestamp > datetime(DUE)
      | summarize times = sum(valueSum) by origin, what
      | where times >= LIMIT
    '''
  }
  unreliable: {
    severity: 2
    why: 'Fewer than LIMIT in a hundred tries to rotate, retire or restore came to a good end within a day.'
    section: 'many-tries-fail'
    limit: 99
    window: 'P1D'
    frequency: 'PT1H'
    lasting: true
    dimensions: []
    query: '''
      customMetrics
      | where name == 'rekey.rotations'
      | extend outcome = tostring(customDimensions.outcome)
      | summarize
          good = sumif(valueSum, outcome in ('rotated', 'healed', 'restored', 'retired', 'confirmed')),
          bad = sumif(valueSum, outcome in ('parked', 'failed'))
      | where bad * 100 > (good + bad) * (100 - LIMIT)
    '''
  }
  slow: {
    severity: 3
    why: 'One rotation in twenty of a kind takes longer than LIMIT seconds.'
    section: 'slow-rotations'
    limit: 120
    window: 'PT6H'
    frequency: 'PT1H'
    lasting: true
    dimensions: ['rotator']
    query: '''
      dependencies
      | where name == 'rekey.rotation' and tostring(customDimensions['rekey.outcome']) == 'rotated'
      | summarize seconds = percentile(duration, 95) / 1000 by rotator = tostring(customDimensions['rekey.rotator'])
      | where seconds > LIMIT
    '''
  }
  costly: {
    severity: 3
    why: 'Rekey\'s own calls to Azure cost more than LIMIT US cents within a day, by list prices.'
    section: 'calls-cost-more-than-their-budget'
    limit: 100
    window: 'P1D'
    frequency: 'PT1H'
    lasting: true
    dimensions: []
    query: '''
      customMetrics
      | where name == 'rekey.cost.usd'
      | summarize cents = sum(valueSum) * 100
      | where cents > LIMIT
    '''
  }
  throttled: {
    severity: 3
    why: 'A service of Azure\'s has throttled Rekey for LIMIT minutes of the last hour.'
    section: 'throttled'
    limit: 30
    window: 'PT1H'
    frequency: 'PT15M'
    lasting: true
    dimensions: ['service']
    query: '''
      customMetrics
      | where name == 'rekey.azure.calls' and tostring(customDimensions.status) == '429'
      | summarize slices = dcount(bin(timestamp, 5m)) by service = tostring(customDimensions.service)
      | where slices * 5 >= LIMIT
    '''
  }
}
