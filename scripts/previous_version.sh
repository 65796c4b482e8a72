#!/usr/bin/env bash
# Print the version that was last deployed with success to an environment, other than one; nothing if there is none:
# previous_version.sh ENVIRONMENT VERSION. A version that was not healthy has failed there, and is never returned to.
set -euo pipefail
environment=$1 version=$2
api="repos/${GITHUB_REPOSITORY:?}/deployments"
deployments=$(gh api "$api?environment=$environment&per_page=50" --jq '.[] | "\(.id) \(.ref)"')
while read -r id ref; do
  if [ -z "$id" ] || [ "$ref" = "$version" ]; then continue; fi
  succeeded=$(gh api "$api/$id/statuses" --jq 'any(.[]; .state == "success")')
  if [ "$succeeded" = true ]; then
    echo "$ref"
    break
  fi
done <<< "$deployments"
