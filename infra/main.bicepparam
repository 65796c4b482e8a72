// What azd deploys with: its own environment says what is served (azure.yaml has it asked for). Without azd,
// `rekey init` writes a file of your own.
using 'main.bicep'

param name = readEnvironmentVariable('AZURE_ENV_NAME', 'rekey')

param vaults = json(readEnvironmentVariable('DEPLOY_VAULTS', '[]'))

// Whoever runs azd gets what a first rotation by hand needs; a pipeline sets this to false.
param deployerAccess = bool(readEnvironmentVariable('DEPLOY_ACCESS', 'true'))

param logsWorkspace = readEnvironmentVariable('DEPLOY_LOGS_WORKSPACE', '')
