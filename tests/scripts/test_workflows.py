"""What the workflows call exists, what they trust is pinned, and what they may do is little."""

from __future__ import annotations

import hashlib
import re
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.bicep import ROOT
from tests.parts import PARTS
from tests.programs import run, write
from tests.shared.makefile import make_targets

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WRITING = {
    "release": {"publish.contents", "publish.attestations"},
    "codeql": {"analyse.security-events"},
    "scorecard": {"scorecard.security-events"},
}
"""What jobs may write: a release, its attestation, and findings."""
STAGES = ("canary", "production")
PINNED = re.compile(r"[\w-]+(/[\w-]+)+@[0-9a-f]{40}")


def workflow(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(file.read_text())
    return document


def jobs() -> list[Any]:
    listed = [(file, name, job) for file in FILES for name, job in workflow(file)["jobs"].items()]
    return [pytest.param(job, id=f"{file.stem}-{name}") for file, name, job in listed]


def commands(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job.get("steps", []))


@pytest.mark.parametrize("job", jobs())
def test_only_commits_are_trusted(job: dict[str, Any]) -> None:
    """A tag can be moved, a commit cannot."""
    used = [step["uses"] for step in job.get("steps", []) if "uses" in step]
    assert [action for action in used if not PINNED.fullmatch(action)] == []
    assert "uses" not in job or (ROOT / job["uses"]).exists()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_workflow_may_read_the_code_and_a_job_says_what_more_it_needs(file: Path) -> None:
    document = workflow(file)
    assert document["permissions"] == {"contents": "read"}
    writing = {
        f"{name}.{right}"
        for name, job in document["jobs"].items()
        for right, level in job.get("permissions", {}).items()
        if level == "write" and right != "id-token"
    }
    assert writing == WRITING.get(file.stem, set())


@pytest.mark.parametrize("job", jobs())
def test_every_job_ends(job: dict[str, Any]) -> None:
    """GitHub itself ends a job after six hours, and says nothing of why."""
    assert "uses" in job or job["timeout-minutes"] < 360


@pytest.mark.parametrize("job", jobs())
def test_every_script_and_make_target_that_is_called_exists(job: dict[str, Any]) -> None:
    text = commands(job)
    assert set(re.findall(r"\bmake (?:--silent )?([a-z-]+)", text)) <= make_targets()
    scripts = re.findall(r"\bscripts/[\w.]+", text)
    assert [script for script in scripts if not (ROOT / script).exists()] == []


@pytest.mark.parametrize("job", jobs())
def test_nothing_is_written_into_a_shell_that_somebody_else_chose(job: dict[str, Any]) -> None:
    assert "${{" not in commands(job)


def test_production_comes_after_the_canary_and_both_are_watched_and_can_return() -> None:
    deploy = workflow(ROOT / ".github" / "workflows" / "deploy.yml")["jobs"]
    assert deploy["canary"]["needs"] == "what-if"
    assert deploy["production"]["needs"] == "canary"
    assert {deploy[stage]["uses"] for stage in STAGES} == {"./.github/workflows/stage.yml"}
    (stage,) = workflow(ROOT / ".github" / "workflows" / "stage.yml")["jobs"].values()
    named = {step["name"]: step for step in stage["steps"] if "name" in step}
    order = list(named)
    (verified,) = [
        name for name, step in named.items() if "make --silent verify" in step.get("run", "")
    ]
    steps = ("Deploy the package", verified, "Watch it", "Return to the package before")
    assert sorted(steps, key=order.index) == list(steps)
    assert "--duration 10m" in named["Watch it"]["env"]["WATCH"]
    assert named["Return to the package before"]["if"].startswith("(failure() || cancelled())")
    assert named["Return to the package before"]["env"] == {"PACKAGE": "previous/rekey.zip"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_deployed_to_the_environment_of_its_name(stage: str) -> None:
    deploy = workflow(ROOT / ".github" / "workflows" / "deploy.yml")["jobs"]
    assert deploy[stage]["with"] == {"environment": stage}


@pytest.mark.parametrize("job", jobs())
def test_a_job_has_the_rights_that_its_steps_and_what_it_calls_ask_for(job: dict[str, Any]) -> None:
    """GitHub starts no workflow whose jobs ask for more than their caller has."""
    own = job.get("permissions", {"contents": "read"})
    used = " ".join(step.get("uses", "") for step in job.get("steps", []))
    signs = "azure/login@" in used or "actions/attest-build-provenance@" in used
    assert not signs or own.get("id-token") == "write"
    called = workflow(ROOT / job["uses"])["jobs"].values() if "uses" in job else []
    asked = {
        right: level for inner in called for right, level in inner.get("permissions", {}).items()
    }
    assert asked.items() <= own.items()


def test_ci_runs_every_part_of_the_tests_beside_the_others() -> None:
    jobs = workflow(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]
    assert set(jobs["test"]["strategy"]["matrix"]["part"]) == set(PARTS)
    assert {f"test-{part}" for part in PARTS} <= make_targets()
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test-all"


def test_nothing_is_released_that_was_not_tested_and_scanned() -> None:
    release = workflow(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    assert set(release["publish"]["needs"]) == {"ci", "security", "prove"}
    assert release["deploy"]["needs"] == "publish"


GH = """#!/bin/sh
echo "$@" >> calls
case "$1 $2" in
"release view") test -e released ;;
"release create") test ! -e released && touch released ;;
"release upload") test -e released ;;
esac
"""


def test_a_release_whose_last_step_failed_can_be_run_again(tmp_path: Path) -> None:
    steps = workflow(ROOT / ".github" / "workflows" / "release.yml")["jobs"]["publish"]["steps"]
    (script,) = [step["run"] for step in steps if step.get("name") == "Release"]
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "rekey.zip").touch()
    write(tmp_path / "gh", GH)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "VERSION": "v1"}
    for _ in range(2):
        done = run("bash", "-e", "-c", script, cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    assert sum(call.startswith("release create v1 --verify-tag") for call in calls) == 1
    assert calls[-1] == "release upload v1 --clobber dist/rekey.zip"


def step(file: str, job: str, name: str) -> dict[str, Any]:
    """Return the step of a workflow's job that is called that."""
    steps = workflow(ROOT / ".github" / "workflows" / file)["jobs"][job]["steps"]
    (named,) = [entry for entry in steps if entry.get("name") == name]
    script: dict[str, Any] = named
    return script


def shell(step: dict[str, Any]) -> list[str]:
    """Return how GitHub runs a step's script: a pipe fails only where the step names its shell.

    https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax
    """
    strict = ["--noprofile", "--norc", "-eo", "pipefail"] if step.get("shell") == "bash" else ["-e"]
    return ["bash", *strict, "-c", step["run"]]


MAKE = """#!/bin/sh
echo template: goes to the resource group rekey
echo /subscriptions/s/resourceGroups/rekey/providers/Microsoft.Web/sites/rekey-abc
exit $ENDS
"""
AZ = """#!{python}
import jmespath, sys
assert sys.argv[1:3] == ["resource", "show"], sys.argv
shown = {{"name": sys.argv[sys.argv.index("--name") + 1], "properties": {{"AppId": "insights-of-it"}}}}
print(jmespath.search(sys.argv[sys.argv.index("--query") + 1], shown))
"""


@pytest.mark.parametrize("code", [0, 1])
def test_a_template_that_is_refused_ends_its_stage_and_a_deployed_one_names_its_app(
    tmp_path: Path, code: int
) -> None:
    write(tmp_path / "make", MAKE)
    write(tmp_path / "az", AZ.format(python=sys.executable))
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "GROUP": "rekey", "ENDS": str(code)}
    env |= {"GITHUB_ENV": str(tmp_path / "env")}
    done = run(*shell(step("stage.yml", "stage", "Deploy the template")), cwd=tmp_path, env=env)
    assert (done.returncode != 0) == (code != 0), done.stderr
    kept = (tmp_path / "env").read_text() if code == 0 else ""
    site = "/subscriptions/s/resourceGroups/rekey/providers/Microsoft.Web/sites/rekey-abc"
    named = f"SITE={site}\nAPP=rekey-abc\nINSIGHTS=insights-of-it\n"
    assert kept == (named if code == 0 else "")


@pytest.mark.parametrize("package", [b"what was tested", b"another"])
def test_a_package_that_is_not_what_was_built_is_not_released(
    tmp_path: Path, package: bytes
) -> None:
    (tmp_path / "rekey.zip").write_bytes(package)
    built = hashlib.sha256(b"what was tested").hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{built}  rekey.zip\n")
    checked = step("release.yml", "publish", "What was built is what is attested")
    assert checked["working-directory"] == "dist"
    done = run(*shell(checked), cwd=tmp_path)
    assert (done.returncode == 0) is (package == b"what was tested")


def test_the_released_template_brings_the_package_from_where_the_release_has_it() -> None:
    stamp = step("release.yml", "publish", "The template brings this very package")["run"]
    release = "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/releases/download/$VERSION/rekey.zip"
    assert stamp.split()[-1] == f'"{release}"'
    steps = workflow(ROOT / ".github" / "workflows" / "release.yml")["jobs"]["publish"]["steps"]
    (attested,) = [entry["with"] for entry in steps if "attest-build" in entry.get("uses", "")]
    files = ("rekey.zip", "rekey.cdx.json", "azuredeploy.json", "createUiDefinition.json")
    assert [file for file in files if not fnmatch(f"dist/{file}", attested["subject-path"])] == []
