#!/usr/bin/env bash
# Fetch a release's package into a folder, and prove where it comes from: fetch_package.sh VERSION FOLDER
set -euo pipefail
version=$1 folder=$2
gh release download "$version" --dir "$folder" --pattern rekey.zip --pattern rekey.cdx.json --pattern SHA256SUMS
(cd "$folder" && sha256sum --check --strict --quiet SHA256SUMS)
# Not only from this repository: by its release workflow, from that very tag.
gh attestation verify "$folder/rekey.zip" --repo "${GITHUB_REPOSITORY:?}" \
  --signer-workflow "$GITHUB_REPOSITORY/.github/workflows/release.yml" --source-ref "refs/tags/$version"
