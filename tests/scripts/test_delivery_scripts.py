"""The steps of a deployment, run as processes with a `gh` and an `az` that answer as those do."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.bicep import ROOT
from tests.programs import run, write

GH = """#!{python}
import json, pathlib, sys
here = pathlib.Path({here!r})
with (here / "calls").open("a") as calls:
    print(json.dumps(sys.argv[1:]), file=calls)
if sys.argv[1:3] == ["release", "download"]:
    folder = pathlib.Path(sys.argv[sys.argv.index("--dir") + 1])
    folder.mkdir()
    for file in (here / "release").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
elif sys.argv[1] == "api":
    deployments = json.loads((here / "deployments").read_text())
    if "/statuses" in sys.argv[2]:
        states = deployments[int(sys.argv[2].split("/")[-2])][1]
        print(json.dumps("success" in states))
    else:
        print("\\n".join(f"{{number}} {{ref}}" for number, (ref, _) in enumerate(deployments)))
elif (here / "forged").exists():
    sys.exit("Error: no attestations found")
"""


GOING = ["in_progress"]


class Repository:
    """A repository whose `gh` and `az` are on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "release").mkdir()
        for name in ("gh", "az"):
            write(folder / name, GH.format(python=sys.executable, here=str(folder)))

    def release(self, package: bytes, promised: bytes | None = None) -> None:
        """Publish a package; its sum is that of what was promised."""
        (self.folder / "release" / "rekey.zip").write_bytes(package)
        total = hashlib.sha256(package if promised is None else promised).hexdigest()
        (self.folder / "release" / "SHA256SUMS").write_text(f"{total}  rekey.zip\n")

    def deployed(self, *deployments: tuple[str, list[str]]) -> None:
        """Say what was deployed, latest first, and the states that each deployment went through."""
        (self.folder / "deployments").write_text(json.dumps(deployments))

    @property
    def calls(self) -> list[list[str]]:
        """What was asked of `gh` and `az`."""
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": f"{self.folder}:/usr/bin:/bin", "GITHUB_REPOSITORY": "contoso/rekey"}
        return run("bash", ROOT / "scripts" / script, *arguments, cwd=self.folder, env=env)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_a_package_with_its_sum_and_its_attestation_is_fetched(repository: Repository) -> None:
    repository.release(b"package")
    done = repository.run("fetch_package.sh", "v1.2.0", "new")
    assert done.returncode == 0, done.stderr
    assert (repository.folder / "new" / "rekey.zip").read_bytes() == b"package"
    assert repository.calls[0][2] == "v1.2.0"
    workflow = "contoso/rekey/.github/workflows/release.yml"
    by = f"--repo contoso/rekey --signer-workflow {workflow} --source-ref refs/tags/v1.2.0"
    assert repository.calls[-1] == ["attestation", "verify", "new/rekey.zip", *by.split()]


@pytest.mark.parametrize(
    ("promised", "words"), [(b"another", "rekey.zip"), (b"package", "no attestations")]
)
def test_a_package_that_is_not_what_was_promised_or_that_nobody_attested_is_refused(
    promised: bytes, words: str, repository: Repository
) -> None:
    repository.release(b"package", promised)
    (repository.folder / "forged").touch()
    done = repository.run("fetch_package.sh", "v1.2.0", "new")
    assert done.returncode != 0
    assert words in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("deployments", "previous"),
    [
        ([("v3", GOING), ("v2", ["failure", *GOING]), ("v1", ["inactive", "success"])], "v1"),
        ([("v3", ["success"]), ("v2", ["success"]), ("v1", ["success"])], "v2"),
        ([("v3", GOING), ("v3", ["success"]), ("v2", ["failure"])], ""),
        ([("v3", GOING)], ""),
        ([], ""),
    ],
)
def test_the_way_back_leads_to_what_was_last_deployed_with_success(
    deployments: list[tuple[str, list[str]]], previous: str, repository: Repository
) -> None:
    repository.deployed(*deployments)
    done = repository.run("previous_version.sh", "production", "v3")
    assert (done.returncode, done.stdout.strip()) == (0, previous), done.stderr
    path = "repos/contoso/rekey/deployments?environment=production&per_page=50"
    assert repository.calls[0][1] == path
