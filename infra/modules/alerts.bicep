// What a person is told of: one scheduled query a reason, each with its section in docs/runbook.md.

import { alertTuning, texts } from '../types.bicep'

@description('How every rule\'s name begins.')
@minLength(2)
@maxLength(40)
param name string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags texts

@description('Id of Application Insights.')
param insightsId string

@description('The vaults that must be swept, by their URLs.')
param vaultUrls string[]

@description('Addresses that get a mail.')
param mails string[]

@description('Ids of action groups that exist already, such as those for Teams or Slack.')
param actionGroups string[]

@description('What differs from the rules as they are, by the name of the rule.')
param tuning { *: alertTuning }

@description('Where the runbook is read.')
param runbookUrl string

var bySecret = ['vault', 'secret']
var rules = {
  parked: {
    severity: 1
    why: 'A secret cannot be rotated until somebody mends what its tag RekeyReason says.'
    section: 'a-secret-is-parked'
    window: 'PT15M'
    dimensions: bySecret
    query: '''
      customMetrics
      | where name == 'rekey.parked' and value > 0
      | extend vault = tostring(customDimensions.vault), secret = tostring(customDimensions.secret)
    '''
  }
  failing: {
    severity: 2
    why: 'A rotation was tried three times without an end; after five tries its secret is parked.'
    section: 'look'
    window: 'PT30M'
    dimensions: ['secret']
    query: '''
      traces
      | parse message with 'try ' attempt:int ' of ' * ' for ' secret ': ' *
      | where attempt >= 3
    '''
  }
  poison: {
    severity: 1
    why: 'The queue gave a message up: a worker died each time, or the message cannot be read.'
    section: 'messages-on-rotations-poison'
    window: 'PT15M'
    dimensions: []
    query: '''
      traces
      | where (message has 'MaxDequeueCount' and message has 'poison') or message has 'on rotations-poison'
    '''
  }
  unswept: {
    severity: 1
    why: 'A vault was not swept for three hours: windows, retirements and missed events wait.'
    section: 'no-sweep'
    window: 'PT3H'
    dimensions: ['vault']
    query: '''
      print vaults = dynamic(VAULTS)
      | mv-expand vault = vaults to typeof(string)
      | join kind=leftanti (
          customMetrics
          | where name == 'rekey.sweeps' and value > 0
          | distinct vault = tostring(customDimensions.vault)
        ) on vault
    '''
  }
  drift: {
    severity: 2
    why: 'A source refused what its vault held, and Rekey published the credential anew: somebody changed it by hand.'
    section: 'drift'
    window: 'PT15M'
    dimensions: bySecret
    query: '''
      customMetrics
      | where name == 'rekey.drift' and value > 0
      | extend vault = tostring(customDimensions.vault), secret = tostring(customDimensions.secret)
    '''
  }
  denied: {
    severity: 1
    why: 'Azure refused something to Rekey: the message names the identity, the role and the scope.'
    section: 'access-denied'
    window: 'PT15M'
    dimensions: []
    query: '''
      union
        (traces | extend outcome = parse_json(message) | where outcome.result == 'parked' and outcome.fix startswith 'grant '),
        (exceptions | where type has 'AccessDenied' or outerMessage has 'AccessDenied')
    '''
  }
}

// A tuning of a rule that does not exist would be lost silently.
var unknown = filter(objectKeys(tuning), rule => !contains(rules, rule))
var wanted = empty(unknown)
  ? filter(items(rules), rule => tuning[?rule.key].?enabled ?? true)
  : fail('alertsTuned names ${join(unknown, ', ')}: known are ${join(objectKeys(rules), ', ')}')

resource mailed 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(mails)) {
  name: name
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'rekey'
    emailReceivers: [for address in mails: { name: address, emailAddress: address, useCommonAlertSchema: true }]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in wanted: {
    name: '${name}-${rule.key}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'Rekey: ${rule.key}'
      description: '${rule.value.why} ${runbookUrl}#${rule.value.section}'
      severity: tuning[?rule.key].?severity ?? rule.value.severity
      enabled: true
      // What needs a person does not mend itself by falling silent; a sweep that came does.
      autoMitigate: rule.key == 'unswept'
      scopes: [insightsId]
      evaluationFrequency: 'PT15M'
      windowSize: tuning[?rule.key].?window ?? rule.value.window
      criteria: {
        allOf: [
          {
            query: replace(rule.value.query, 'VAULTS', replace(string(vaultUrls), '"', '\''))
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: tuning[?rule.key].?threshold ?? 0
            dimensions: map(rule.value.dimensions, dimension => { name: dimension, operator: 'Include', values: ['*'] })
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: concat(actionGroups, empty(mails) ? [] : [mailed.id]) }
    }
  }
]
