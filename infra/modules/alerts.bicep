// One scheduled query for each rule of alert-rules.bicep, and who is told.

import { alertRules } from '../alert-rules.bicep'
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

@description('Id of the Log Analytics workspace that the storage account\'s logs go to; none if empty.')
param workspaceId string

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

@description('When this deployment began.')
param deployedAt string

// The one rule that reads a log of the storage account needs that log in the workspace.
var possible = empty(workspaceId) ? filter(items(alertRules), rule => rule.key != 'undelivered') : items(alertRules)
var windows = toObject(items(alertRules), rule => rule.key, rule => tuning[?rule.key].?window ?? rule.value.window)
var limits = toObject(items(alertRules), rule => rule.key, rule => string(tuning[?rule.key].?limit ?? rule.value.limit))
var quotedVaults = join(map(vaultUrls, url => '\'${url}\''), ', ')

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
  for rule in possible: {
    name: '${name}-${rule.key}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'Rekey: ${rule.key}'
      description: '${replace(rule.value.why, 'LIMIT', limits[rule.key])} ${contains(runbookUrl, '#') ? runbookUrl : '${runbookUrl}#${rule.value.section}'}'
      severity: tuning[?rule.key].?severity ?? rule.value.severity
      // A rule that is left out of a deployment stays as it was.
      enabled: tuning[?rule.key].?enabled ?? true
      autoMitigate: rule.value.lasting
      scopes: [rule.key == 'undelivered' ? workspaceId : insightsId]
      // A new workspace does not know the storage account's logs before the first of them arrives.
      skipQueryValidation: rule.key == 'undelivered'
      evaluationFrequency: rule.value.frequency
      windowSize: windows[rule.key]
      criteria: {
        allOf: [
          {
            query: replace(
              replace(replace(rule.value.query, 'LIMIT', limits[rule.key]), 'VAULTS', quotedVaults),
              'DUE',
              dateTimeAdd(deployedAt, rule.value.?grace ?? rule.value.window, 'yyyy-MM-ddTHH:mm:ssZ')
            )
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            dimensions: map(rule.value.dimensions, dimension => { name: dimension, operator: 'Include', values: ['*'] })
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: concat(actionGroups, empty(mails) ? [] : [mailed.id]) }
    }
  }
]
