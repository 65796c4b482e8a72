"""The scans, one function each. A scan ends with findings, without findings, or unchecked.

A scanner that checked nothing exits with 0, like one that found nothing. For example, pip-audit
skips every package if its service does not answer, and checkov sees no resource in a template with
symbolic names. So each scan counts what was checked.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PLANTED = ("tests/", "simulated-azure/", "demo/", "bench/")
"""Folders with invented passwords. Keys and tokens in real formats are reported there too."""
GUESSES = frozenset({"Secret Keyword", "Base64 High Entropy String", "Hex High Entropy String"})
GENERATED = r"(^|/)(uv\.lock|package-lock\.json|requirements\.txt)$|\.snapshot\.json$"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("api/routes.py", "Secret Keyword"): "the path of a secret in the API",
    ("cli/completion.py", "Secret Keyword"): "the name of a shell function",
    ("cli/setup/questions.py", "Secret Keyword"): "the names of kinds of credentials",
    ("cloud/rest/graph.py", "Secret Keyword"): "the text of an error of Microsoft Graph",
    ("docs/policy.md", "Secret Keyword"): "a pattern of names",
    ("examples/aks-external-secrets/external-secret.yaml", "Secret Keyword"): "names of secrets",
    ("examples/container-app/main.bicep", "Secret Keyword"): "the name of a secret",
    ("infra/azuredeploy.json", "Secret Keyword"): "the names of kinds of credentials",
    ("infra/kinds.bicep", "Secret Keyword"): "the names of kinds of credentials",
}
"""Known false findings with their reasons, by file and rule.

Exceptions for code stand beside the line, those for infrastructure in .checkov.yaml.
"""


@dataclass(frozen=True)
class Ran:
    """How a tool ended."""

    code: int
    output: str
    errors: str = ""


type Runner = Callable[[Sequence[str]], Ran]


@dataclass(frozen=True)
class Finding:
    """Something to fix."""

    where: str
    rule: str
    what: str


@dataclass(frozen=True)
class Result:
    """The result of one scan; `unchecked` says why it could not check, empty if it could."""

    name: str
    looked_at: int
    findings: tuple[Finding, ...] = ()
    unchecked: str = ""

    @property
    def state(self) -> str:
        """Return clean, findings or unchecked."""
        if self.findings:
            return "findings"
        return "unchecked" if self.unchecked else "clean"


def run(command: Sequence[str]) -> Ran:
    """Run a tool in the repository's root; a missing tool ends with 127, as in a shell."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError as missing:
        return Ran(127, "", f"{missing.filename} is not installed")
    return Ran(done.returncode, done.stdout, done.stderr)


def tool(name: str) -> str:
    """Return the path of a program that is installed beside this interpreter."""
    return str(Path(sys.executable).with_name(name))


def dependencies(runner: Runner = run) -> Result:
    """Check every locked package for known vulnerabilities in PyPI's list, else in OSV's."""
    reasons: list[str] = []
    for service in ("pypi", "osv"):
        options = (
            "--require-hashes",
            "--disable-pip",
            "--progress-spinner",
            "off",
            "-f",
            "json",
            "-s",
            service,
        )
        ran = runner([sys.executable, "-m", "pip_audit", "-r", "requirements.txt", *options])
        result = _audited(ran, service)
        if result.state != "unchecked":
            return result
        reasons.append(result.unchecked)
    return dataclasses.replace(result, unchecked="; ".join(reasons))


def _audited(ran: Ran, service: str) -> Result:
    try:
        listed = json.loads(ran.output)["dependencies"]
    except (ValueError, KeyError):
        return Result("dependencies", 0, unchecked=f"{service}: {_last_line(ran.errors)}")
    audited = [package for package in listed if "skip_reason" not in package]
    findings = tuple(
        Finding(
            f"{package['name']} {package['version']}",
            flaw["id"],
            f"fixed in {', '.join(flaw['fix_versions']) or 'none'}",
        )
        for package in audited
        for flaw in package["vulns"]
    )
    skipped = len(listed) - len(audited)
    gap = f"{service} reported nothing on {skipped} of {len(listed)} packages"
    return Result("dependencies", len(audited), findings, gap if skipped or not listed else "")


def infrastructure(runner: Runner = run) -> Result:
    """Check every resource of the committed snapshots, modules expanded, with checkov."""
    uv = os.environ.get("UV", "uv")
    with tempfile.TemporaryDirectory() as folder:
        for snapshot in sorted((ROOT / "infra" / "snapshots").glob("*.snapshot.json")):
            resources = json.loads(snapshot.read_text())["predictedResources"]
            template = {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": resources}
            Path(folder, f"{snapshot.name.partition('.')[0]}.json").write_text(json.dumps(template))
        checkov = (
            uv,
            "run",
            "--isolated",
            "--project",
            "scripts/checkov",
            "--frozen",
            "--quiet",
            "checkov",
        )
        config = ("--config-file", ".checkov.yaml") if (ROOT / ".checkov.yaml").exists() else ()
        what = (
            "--directory",
            folder,
            "--framework",
            "arm",
            "--skip-download",
            "--compact",
            "--quiet",
            "--output",
            "json",
        )
        return _checked(runner([*checkov, *config, *what]))


def _checked(ran: Ran) -> Result:
    try:
        whole = json.loads(ran.output)
        seen = whole.get("summary", whole)["resource_count"]
    except (ValueError, KeyError, AttributeError):
        return Result("infrastructure", 0, unchecked=f"checkov: {_last_line(ran.errors)}")
    failed = whole.get("results", {}).get("failed_checks", [])
    findings = tuple(
        Finding(
            f"{flaw['file_path'].strip('/')} {flaw['resource']}",
            flaw["check_id"],
            flaw["check_name"],
        )
        for flaw in failed
    )
    return Result("infrastructure", seen, findings, "" if seen else "checkov saw no resource")


def workflows(runner: Runner = run) -> Result:
    """Check the workflows with zizmor, offline."""
    ran = runner(
        [tool("zizmor"), "--offline", "--no-progress", "--format", "json", ".github/workflows"]
    )
    seen = len(list((ROOT / ".github" / "workflows").glob("*.yml")))
    try:
        reported = json.loads(ran.output)
    except ValueError:
        return Result("workflows", 0, unchecked=f"zizmor: {_last_line(ran.errors)}")
    findings = tuple(
        Finding(_workflow(flaw), flaw["ident"], flaw["desc"])
        for flaw in reported
        if not flaw["ignored"]
    )
    return Result("workflows", seen, findings)


def _workflow(flaw: Mapping[str, Any]) -> str:
    place = flaw["locations"][0]
    file = place["symbolic"]["key"]["Local"]["given_path"]
    return f"{file}:{place['concrete']['location']['start_point']['row'] + 1}"


def secrets(runner: Runner = run) -> Result:
    """Search the files in git with detect-secrets, except generated ones full of hashes."""
    listed = runner(["git", "ls-files"]).output.splitlines()
    ran = runner([tool("detect-secrets"), "scan", "--exclude-files", GENERATED])
    try:
        results = json.loads(ran.output)["results"]
    except (ValueError, KeyError):
        return Result("secrets", 0, unchecked=f"detect-secrets: {_last_line(ran.errors)}")
    suspected = [
        Finding(f"{file}:{hit['line_number']}", hit["type"], "looks like a secret")
        for file in results
        for hit in results[file]
    ]
    findings = tuple(finding for finding in suspected if not _excused(finding))
    return Result("secrets", len(listed), findings, "" if listed else "git lists no file")


def _excused(finding: Finding) -> bool:
    file = finding.where.rpartition(":")[0]
    return (file, finding.rule) in EXCEPTIONS or (
        finding.rule in GUESSES and file.startswith(PLANTED)
    )


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:100] if lines else "it printed no message"
