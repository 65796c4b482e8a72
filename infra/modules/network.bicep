// A virtual network for the app, and the DNS zones that lead from public names to private endpoints.

import { appSubnet, endpointSubnet, privateZone } from '../private-names.bicep'
import { cloudNames, texts } from '../types.bicep'

@description('Name of the network.')
@minLength(2)
@maxLength(64)
param name string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags texts

@description('The network\'s addresses: /24 or larger, overlapping nothing that it is to be peered with.')
param addressPrefix string

@description('The cloud.')
param cloud cloudNames

@description('Whether vaults are reached through private endpoints.')
param vaults bool

@description('Whether the outcome topic is.')
param topic bool

@description('Whether the app is.')
param app bool

// What needs a zone, by the names that private endpoints call it.
var groups = concat(['blob', 'queue', 'table'], vaults ? ['vault'] : [], topic ? ['topic'] : [], app ? ['sites'] : [])

var zoneNames = map(groups, group => privateZone(cloud, group))

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    subnets: [
      {
        name: appSubnet
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 0)
          delegations: [{ name: appSubnet, properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: endpointSubnet
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 1)
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zone in zoneNames: {
    name: zone
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (zone, index) in zoneNames: {
    parent: zones[index]
    name: name
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      // A source with a private endpoint in somebody else's network has no record here: its public name still leads to it.
      // https://learn.microsoft.com/azure/dns/private-dns-fallback
      resolutionPolicy: 'NxDomainRedirect'
      virtualNetwork: { id: network.id }
    }
  }
]
