// For Teams or Slack: an action group, and a small workflow that turns an alert into a message for a channel's webhook.
// Deployed by itself, once for each channel; its output goes into the parameter alertActionGroups of main.bicep.

targetScope = 'resourceGroup'

@description('Name of the workflow and of the action group.')
@minLength(2)
@maxLength(40)
param name string

@description('Region of the workflow.')
param location string = resourceGroup().location

@description('What the channel is in, since each takes messages in a form of its own.')
param product 'Teams' | 'Slack'

@description('URL of the channel\'s webhook: whoever knows it can write there, so let it come from a vault.')
@secure()
param webhookUrl string

// The common schema of alerts: https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema
var essentials = 'triggerBody()?[\'data\']?[\'essentials\']'
var title = '@{${essentials}?[\'monitorCondition\']}: @{${essentials}?[\'alertRule\']} (@{${essentials}?[\'severity\']})'
var text = '@{${essentials}?[\'description\']}'
// Which vault and secret it is about, for example.
var about = '@{triggerBody()?[\'data\']?[\'alertContext\']?[\'condition\']?[\'allOf\']?[0]?[\'dimensions\']}'
var messages = {
  // https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
  Teams: {
    type: 'message'
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive'
        content: {
          type: 'AdaptiveCard'
          version: '1.4'
          body: [
            { type: 'TextBlock', text: title, weight: 'Bolder', wrap: true }
            { type: 'TextBlock', text: text, wrap: true }
            { type: 'TextBlock', text: about, wrap: true }
          ]
        }
      }
    ]
  }
  // https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
  Slack: { text: '*${title}*\n${text}\n${about}' }
}

resource workflow 'Microsoft.Logic/workflows@2019-05-01' = {
  name: name
  location: location
  properties: {
    definition: {
      '$schema': 'https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#'
      contentVersion: '1.0.0.0'
      parameters: { webhookUrl: { type: 'SecureString' } }
      triggers: { alert: { type: 'Request', kind: 'Http', inputs: { schema: {} } } }
      actions: {
        post: {
          type: 'Http'
          inputs: {
            method: 'POST'
            uri: '@parameters(\'webhookUrl\')'
            headers: { 'Content-Type': 'application/json' }
            body: messages[product]
          }
          runtimeConfiguration: { secureData: { properties: ['inputs'] } }
        }
      }
    }
    parameters: { webhookUrl: { value: webhookUrl } }
  }
}

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: name
  location: 'global'
  properties: {
    enabled: true
    groupShortName: take(name, 12)
    logicAppReceivers: [
      {
        name: product
        resourceId: workflow.id
        // The address holds a signature, so it goes straight from the one resource to the other.
        callbackUrl: listCallbackUrl('${workflow.id}/triggers/alert', workflow.apiVersion).value
        useCommonAlertSchema: true
      }
    ]
  }
}

@description('What to list in alertActionGroups.')
output actionGroupId string = group.id
