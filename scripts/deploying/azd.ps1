# The hooks of `azd up` where there is no make: azd.ps1 preprovision|postdeploy. Not run by us on Windows.
$ErrorActionPreference = 'Stop'
# All files here are UTF-8. Python on Windows would read them in the machine's code page.
$env:PYTHONUTF8 = '1'
$version = (Select-String -Path Makefile -Pattern '^UV_VERSION := (.+)$').Matches[0].Groups[1].Value
$uv = ".tools/uv-$version.exe"
if (-not (Test-Path $uv)) {
    # A program that fails does not stop a script, and without Python Windows has one that only says so.
    if (Get-Command python -ErrorAction SilentlyContinue) { python -m venv --clear .tools/venv }
    if ($LASTEXITCODE -or -not (Test-Path .tools/venv/Scripts/python.exe)) {
        throw 'Python is missing, which fetches uv. Fix: winget install Python.Python.3.13, and open a new terminal.'
    }
    .tools/venv/Scripts/python.exe -m pip install --quiet --disable-pip-version-check "uv==$version"
    if ($LASTEXITCODE) { throw "uv $version could not be fetched. Fix: see the messages above." }
    # Whole, or not there: what an interrupted pip has begun, the next one takes for installed.
    Move-Item .tools/venv/Scripts/uv.exe $uv
}
& $uv run --frozen --quiet --no-default-groups python -m scripts.deploying.azd @args
exit $LASTEXITCODE
