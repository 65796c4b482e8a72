// What people see of Rekey: the tiles of workbook.json, as a workbook on Application Insights.

import { texts } from '../types.bicep'

@description('Title of the workbook.')
param title string

@description('Region.')
param location string

@description('Tags of every resource.')
param tags texts

@description('Id of Application Insights.')
param insightsId string

@description('The vaults that must be swept, by their URLs.')
param vaultUrls string[]

@description('Where the runbook is read.')
param runbookUrl string

var quotedVaults = join(map(vaultUrls, url => '\'${url}\''), ', ')
var tiles = loadJsonContent('../workbook.json')
var insights = 'microsoft.insights/components'
var hour = 3600000
var week = 7 * 24 * hour

// The form of https://github.com/microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json.
var period = {
  type: 9
  name: 'period'
  content: {
    version: 'KqlParameterItem/1.0'
    style: 'pills'
    queryType: 0
    resourceType: insights
    parameters: [
      {
        id: guid('period')
        version: 'KqlParameterItem/1.0'
        name: 'Period'
        type: 4
        isRequired: true
        value: { durationMs: week }
        typeSettings: {
          allowCustom: true
          selectableValues: map([1, 3, 7, 30, 90], days => { durationMs: days * 24 * hour })
        }
      }
    ]
  }
}
var texted = map(tiles, tile => '## ${tile.title}\n${replace(tile.?text ?? '', '{runbook}', runbookUrl)}')
var items = map(tiles, (tile, index) => [
  {
    type: 1
    name: 'text ${index}'
    content: { json: texted[index] }
  }
  {
    type: 3
    name: tile.title
    content: {
      version: 'KqlItem/1.0'
      query: replace(join(tile.query, '\n'), 'VAULTS', quotedVaults)
      size: 0
      queryType: 0
      resourceType: insights
      visualization: tile.?looks ?? 'table'
      noDataMessage: 'Nothing.'
      timeContext: { durationMs: (tile.?hours ?? 0) * hour }
      ...(contains(tile, 'hours') ? {} : { timeContextFromParameter: 'Period' })
    }
  }
])
// A text and its query side by side with those of the next tile, where both ask for half of the width.
var groups = map(tiles, (tile, index) => {
  type: 12
  name: 'group ${index}'
  customWidth: string(tile.?width ?? 100)
  content: { version: 'NotebookGroup/1.0', groupType: 'editable', items: items[index] }
})

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  // A workbook's name is a GUID; its title is what people see.
  name: guid(insightsId, 'workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: title
    category: 'workbook'
    sourceId: insightsId
    version: 'Notebook/1.0'
    serializedData: string({
      version: 'Notebook/1.0'
      items: concat([period], groups)
      fallbackResourceIds: [insightsId]
      '$schema': 'https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json'
    })
  }
}
