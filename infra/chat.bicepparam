// An example: a channel in Teams. docs/deploy.md says how to make its webhook's URL; it is kept as a secret and read while deploying.
using 'chat.bicep'

param name = 'rekey-teams'
param product = 'Teams'
param webhookUrl = az.getSecret('00000000-0000-0000-0000-000000000000', 'prod', 'contoso-prod', 'teams-webhook')
