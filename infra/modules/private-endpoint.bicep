// A private endpoint with its name in DNS.

import { texts } from '../types.bicep'

@description('Name of the endpoint.')
@minLength(2)
@maxLength(64)
param name string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags texts

@description('Id of what it leads to.')
param targetId string

@description('Which part of the target it leads to.')
param group string

@description('Id of the subnet.')
param subnetId string

@description('Id of the DNS zone.')
param zoneId string

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    customNetworkInterfaceName: '${name}-nic'
    privateLinkServiceConnections: [
      { name: group, properties: { privateLinkServiceId: targetId, groupIds: [group] } }
    ]
  }
}

resource dns 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = {
  parent: endpoint
  name: 'default'
  properties: { privateDnsZoneConfigs: [{ name: group, properties: { privateDnsZoneId: zoneId } }] }
}
