// What azd deploys with: its own environment says what is served (azure.yaml has it asked for). Without azd,
// `rekey init` writes a file of your own.
using 'main.bicep'

param name = readEnvironmentVariable('AZURE_ENV_NAME', 'rekey')

param vaults = json(readEnvironmentVariable('DEPLOY_VAULTS', '[]'))

param logsWorkspace = readEnvironmentVariable('DEPLOY_LOGS_WORKSPACE', '')
