# The hooks of `azd up` where there is no make: azd.ps1 preprovision|postdeploy. Not run by us on Windows.
$ErrorActionPreference = 'Stop'
# All files here are UTF-8. Python on Windows would read them in the machine's code page.
$env:PYTHONUTF8 = '1'
$uv = '.tools/Scripts/uv.exe'
if (-not (Test-Path $uv)) {
    $version = (Select-String -Path Makefile -Pattern '^UV_VERSION := (.+)$').Matches[0].Groups[1].Value
    # A program that fails does not stop a script, and without Python Windows has one that only says so.
    if (Get-Command python -ErrorAction SilentlyContinue) { python -m venv .tools }
    if ($LASTEXITCODE -or -not (Test-Path .tools/Scripts/python.exe)) {
        throw 'Python is missing, which fetches uv. Fix: winget install Python.Python.3.13, and open a new terminal.'
    }
    .tools/Scripts/python.exe -m pip install --quiet --disable-pip-version-check "uv==$version"
    if ($LASTEXITCODE) { throw "uv $version could not be fetched. Fix: see the messages above." }
}
& $uv run --frozen --quiet --no-default-groups python -m scripts.deploying.azd @args
exit $LASTEXITCODE
