# The hooks of `azd up` where there is no make: azd.ps1 preprovision|postdeploy. Not run by us on Windows.
$ErrorActionPreference = 'Stop'
$version = (Select-String -Path Makefile -Pattern '^UV_VERSION := (.+)$').Matches[0].Groups[1].Value
if (-not (Test-Path .tools/Scripts/uv.exe)) {
    python -m venv .tools
    .tools/Scripts/python.exe -m pip install --quiet --disable-pip-version-check "uv==$version"
}
.tools/Scripts/uv.exe run --frozen --quiet --no-default-groups python -m scripts.deploying.azd $args[0]
exit $LASTEXITCODE
