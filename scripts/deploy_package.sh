#!/usr/bin/env bash
# Put a complete package on an app, the present one or an earlier one: deploy_package.sh RESOURCE_GROUP APP PACKAGE
set -euo pipefail
az functionapp deployment source config-zip --resource-group "$1" --name "$2" --src "$3" --build-remote false --output none
