// Names in the private network, and in DNS for what is reached there.

import { cloudNames, texts } from 'types.bicep'

@export()
@description('The subnet that the app runs in.')
var appSubnet = 'app'

@export()
@description('The subnet of the private endpoints.')
var endpointSubnet = 'endpoints'

@export()
@description('The DNS zone of what private endpoints call by this group: https://learn.microsoft.com/azure/private-link/private-endpoint-dns.')
func privateZone(cloud cloudNames, group string) string => 'privatelink.${suffixes(cloud)[group]}'

@description('How the public names of each group end.')
func suffixes(cloud cloudNames) texts => {
  blob: 'blob.${cloud.storage}'
  queue: 'queue.${cloud.storage}'
  table: 'table.${cloud.storage}'
  ...({
    AzureCloud: { vault: 'vaultcore.azure.net', topic: 'eventgrid.azure.net', sites: 'azurewebsites.net' }
    AzureUSGovernment: { vault: 'vaultcore.usgovcloudapi.net', topic: 'eventgrid.azure.us', sites: 'azurewebsites.us' }
    AzureChinaCloud: { vault: 'vaultcore.azure.cn', topic: 'eventgrid.azure.cn', sites: 'chinacloudsites.cn' }
  }[?cloud.name] ?? fail('privateNetwork: the DNS zones of the cloud ${cloud.name} are not known'))
}
