// The code: the package that Azure fetches and installs.

@description('Name of the app, in this resource group.')
@minLength(2)
@maxLength(60)
param appName string

@description('URL of the code package.')
param packageUri string

@description('Whether the package\'s Python packages are installed by Azure.')
param remoteBuild bool

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: appName
}

resource package 'Microsoft.Web/sites/extensions@2024-04-01' = {
  parent: app
  name: 'onedeploy'
  #disable-next-line BCP187 // The published types know this resource without its properties.
  properties: { packageUri: packageUri, remoteBuild: remoteBuild }
}
