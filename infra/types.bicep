// The shapes of the parameters, shared by the modules.

import { keyedRole, kind } from 'kinds.bicep'

@export()
@description('An existing Key Vault whose secrets Rekey rotates, and what they may rotate.')
@sealed()
type vault = {
  @description('Name of the vault. It must use Azure RBAC for its permissions.')
  @minLength(3)
  @maxLength(24)
  name: string

  @description('Resource group of the vault; the group of this deployment if left out.')
  @maxLength(90)
  resourceGroup: string?

  @description('Id of the vault\'s subscription, of this same tenant; the subscription of this deployment if left out.')
  @minLength(36)
  @maxLength(36)
  subscription: string?

  @description('Ids of what the vault\'s secrets may rotate: storage accounts, SQL servers, databases, PostgreSQL and MySQL servers, other resources with two keys, or whole resource groups and subscriptions.')
  scopes: string[]?

  @description('Client ids of the Entra applications whose secrets and certificates may be rotated. They need the one step that a template cannot do: scripts/grant_graph.py.')
  applications: string[]?

  @description('Sources of kinds of your own: /kinds/<kind> or /kinds/<kind>/<name>. None if left out.')
  ownKinds: string[]?

  @description('Ids of the apps that are told of new versions: App Service and Functions apps with their slots, Container Apps. None if left out.')
  consumers: string[]?

  @description('The kinds that the secrets may be; each needs its own rights at the scopes. Only storage keys if left out.')
  kinds: kind[]?

  @description('Whether the vault\'s events are subscribed to. True if left out; without them the sweep alone finds what is due.')
  events: bool?

  @description('Name of the Event Grid system topic that the vault has already, in the vault\'s resource group: there can be only one. A new one is made if left out.')
  @minLength(3)
  @maxLength(50)
  existingTopic: string?
}

@export()
@description('An HTTPS endpoint that looks after a kind of your own; docs/write-a-rotator.md explains it.')
@sealed()
type endpoint = {
  @description('Where it answers: https alone, without a user and a query.')
  url: string

  @description('Id of the Key Vault secret with the key that signs the requests, in a listed vault.')
  key: string

  @description('How many credentials a source holds.')
  strategy: 'two-slots' | 'single-slot' | 'many'

  @description('The ids of the credentials: two, one or none, by the strategy.')
  slots: string[]?

  @description('What a ValueTemplate may use, the credential itself first.')
  fields: string[]?
}

@export()
@description('Endpoints by the name of their kind.')
type endpointsByKind = { *: endpoint }

@export()
@description('A vault with all that was left out filled in.')
type fullVault = {
  @minLength(3)
  @maxLength(24)
  name: string
  resourceGroup: string
  subscription: string
  scopes: string[]
  applications: string[]
  ownKinds: string[]
  consumers: string[]
  kinds: kind[]
  events: bool
  @description('Empty where the template makes the topic.')
  existingTopic: string
}

@export()
@description('What Rekey needs to know of an Azure cloud.')
@sealed()
type cloudNames = {
  @description('AzureCloud, AzureUSGovernment or AzureChinaCloud.')
  name: string
  @description('URL of Azure Resource Manager.')
  resourceManager: string
  @description('URL of Microsoft Entra.')
  loginEndpoint: string
  @description('How a vault\'s host name ends, with a dot in front.')
  keyvaultDns: string
  @description('How a storage account\'s host name ends after the service\'s part.')
  storage: string
}

@export()
@description('What may be done at sources and consumers: one custom role each.')
type sourceRole = keyedRole | 'sql-administrator' | 'web-references' | 'container-revisions'

@export()
@description('One right at one source or consumer.')
type grant = {
  @description('Its subscription, in lower case.')
  subscription: string
  @description('Its resource group, in lower case; empty for a whole subscription.')
  group: string
  @description('Its name, in lower case; empty for a whole group or subscription.')
  resource: string
  @description('Its type, in lower case; empty for a whole group or subscription.')
  type: string
  @description('What may be done there.')
  role: sourceRole
}

@export()
@description('Names and texts: tags of a resource, or application settings.')
type texts = { *: string }

@export()
@description('How one alert differs from what it is by itself.')
@sealed()
type alertTuning = {
  @description('False switches it off.')
  enabled: bool?

  @description('From 0, critical, to 4, verbose.')
  @minValue(0)
  @maxValue(4)
  severity: int?

  @description('How far back its query looks.')
  window: ('PT15M' | 'PT30M' | 'PT1H' | 'PT3H' | 'PT6H' | 'P1D' | 'P2D')?

  @description('The number that its query compares with; docs/deploy.md says what it counts.')
  @minValue(1)
  limit: int?
}

@export()
@description('What Azure Policy demands of the secrets beside the managed vaults; docs/deploy.md explains it.')
@sealed()
type secretPolicy = {
  @description('For how many days a version may be valid at most.')
  @minValue(1)
  @maxValue(3650)
  validityDays: int

  @description('For how many days a version may be in use at most.')
  @minValue(1)
  @maxValue(3650)
  activeDays: int

  @description('Whether what does not comply is only shown, or refused by the vault. Audit if left out.')
  effect: ('Audit' | 'Deny')?
}
