// Azure's own policies for the secrets in one resource group. What Rekey writes satisfies all of them,
// the policy document once a person has written a version that does: docs/deploy-in-depth.md says why.

import { secretPolicy } from '../types.bicep'

@description('What is demanded, and what happens to secrets that do not comply.')
param demands secretPolicy

@description('How the assignments\' names begin.')
@minLength(2)
@maxLength(20)
param name string

// Built-in definitions: https://learn.microsoft.com/azure/key-vault/policy-reference
var rules = [
  { key: 'expiry', title: 'expire', definition: '98728c90-32c7-4049-8429-847dc0f4fe37', parameters: {} }
  { key: 'type', title: 'have a content type', definition: '75262d3e-ba4a-4f43-85f8-9f72c090e5e3', parameters: {} }
  {
    key: 'validity'
    title: 'are valid for ${demands.validityDays} days at most'
    definition: '342e8053-e12e-4c44-be01-c3c2f318400f'
    parameters: { maximumValidityInDays: { value: demands.validityDays } }
  }
  {
    key: 'active'
    title: 'are replaced after ${demands.activeDays} days'
    definition: 'e8d99835-8a06-45ae-a8e0-87a91941ccfe'
    parameters: { maximumValidityInDays: { value: demands.activeDays } }
  }
]

resource assignments 'Microsoft.Authorization/policyAssignments@2024-04-01' = [
  for rule in rules: {
    name: '${name}-${rule.key}'
    properties: {
      displayName: 'Rekey: secrets ${rule.title}'
      policyDefinitionId: tenantResourceId('Microsoft.Authorization/policyDefinitions', rule.definition)
      enforcementMode: 'Default'
      parameters: { ...rule.parameters, effect: { value: demands.?effect ?? 'Audit' } }
    }
  }
]
