"""The scans, one function each: run a well-known tool, and tell findings, nothing found, and not looked at apart.

A scanner that looked at nothing exits 0 like one that found nothing: pip-audit without its service
skips every package, and
checkov reads no resource out of a template with symbolic names. So each scan counts what was looked
at.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("function_app.py", "api", "cli", "cloud", "engine", "rotators", "scripts", "simulator")
PLANTED = ("tests/", "simulator/", "bench/")
"""Where passwords are made up on purpose; keys and tokens in their real formats are looked for
there too."""
GUESSES = frozenset({"Secret Keyword", "Base64 High Entropy String", "Hex High Entropy String"})
GENERATED = r"(^|/)(uv\.lock|package-lock\.json|requirements\.txt)$|\.snapshot\.json$"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("api/routes.py", "Secret Keyword"): "the path of a secret in the API",
    ("cloud/rest/graph.py", "Secret Keyword"): "the text of an error of Microsoft Graph",
    ("docs/policy.md", "Secret Keyword"): "a pattern of names",
    ("docs/telemetry.md", "Secret Keyword"): "the names of kinds of credentials",
}
"""What is known and why it is no problem, by file and rule. Code has its reasons beside the line,
infrastructure in .checkov.yaml."""


@dataclass(frozen=True)
class Ran:
    """How a tool ended."""

    code: int
    output: str
    errors: str = ""


type Runner = Callable[[Sequence[str]], Ran]


@dataclass(frozen=True)
class Finding:
    """Something to mend."""

    where: str
    rule: str
    what: str


@dataclass(frozen=True)
class Result:
    """What one scan saw; `unchecked` says why it could not look, empty if it could."""

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
    """Run a tool in the repository's root; one that is not there ends with 127, as in a shell."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError as missing:
        return Ran(127, "", f"{missing.filename} is not installed")
    return Ran(done.returncode, done.stdout, done.stderr)


def tool(name: str) -> str:
    """Return a program that is installed beside this interpreter."""
    return str(Path(sys.executable).with_name(name))


def dependencies(runner: Runner = run) -> Result:
    """Hold every locked package of the app against known vulnerabilities: PyPI's own list, else OSV's."""
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
    asked = [each for each in listed if "skip_reason" not in each]
    findings = tuple(
        Finding(
            f"{each['name']} {each['version']}",
            found["id"],
            f"fixed in {', '.join(found['fix_versions']) or 'none'}",
        )
        for each in asked
        for found in each["vulns"]
    )
    skipped = len(listed) - len(asked)
    unchecked = (
        f"{service} did not tell of {skipped} of {len(listed)} packages"
        if skipped or not listed
        else ""
    )
    return Result("dependencies", len(asked), findings, unchecked)


def code(runner: Runner = run) -> Result:
    """Look for dangerous code with ruff's S rules, which are bandit's; exceptions stand beside their lines, with reasons."""
    present = [each for each in PRODUCT if (ROOT / each).exists()]
    ran = runner(
        [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--select",
            "S",
            "--output-format",
            "json",
            *present,
        ]
    )
    try:
        found = json.loads(ran.output)
    except ValueError:
        return Result("code", 0, unchecked=_last_line(ran.errors))
    places = [(f"{_short(each['filename'])}:{each['location']['row']}", each) for each in found]
    findings = tuple(Finding(place, each["code"], each["message"]) for place, each in places)
    return Result("code", sum(1 for each in present for _ in _modules(ROOT / each)), findings)


def infrastructure(runner: Runner = run) -> Result:
    """Look at every resource that the committed snapshots deploy with checkov, modules and loops worked out."""
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
            f"{each['file_path'].strip('/')} {each['resource']}",
            each["check_id"],
            each["check_name"],
        )
        for each in failed
    )
    return Result("infrastructure", seen, findings, "" if seen else "checkov saw no resource")


def workflows(runner: Runner = run) -> Result:
    """Look at the workflows with zizmor, offline."""
    ran = runner(
        [tool("zizmor"), "--offline", "--no-progress", "--format", "json", ".github/workflows"]
    )
    seen = len(list((ROOT / ".github" / "workflows").glob("*.yml")))
    try:
        found = json.loads(ran.output)
    except ValueError:
        return Result("workflows", 0, unchecked=f"zizmor: {_last_line(ran.errors)}")
    findings = tuple(
        Finding(_workflow(each), each["ident"], each["desc"])
        for each in found
        if not each["ignored"]
    )
    return Result("workflows", seen, findings)


def _workflow(found: Mapping[str, Any]) -> str:
    place = found["locations"][0]
    file = place["symbolic"]["key"]["Local"]["given_path"]
    return f"{file}:{place['concrete']['location']['start_point']['row'] + 1}"


def secrets(runner: Runner = run) -> Result:
    """Look for secrets in every file that git knows, with detect-secrets; generated files hold hashes and are left out."""
    listed = runner(["git", "ls-files"]).output.splitlines()
    ran = runner([tool("detect-secrets"), "scan", "--exclude-files", GENERATED])
    try:
        results = json.loads(ran.output)["results"]
    except (ValueError, KeyError):
        return Result("secrets", 0, unchecked=f"detect-secrets: {_last_line(ran.errors)}")
    found = [
        Finding(f"{file}:{each['line_number']}", each["type"], "looks like a secret")
        for file in results
        for each in results[file]
    ]
    findings = tuple(each for each in found if not _excused(each))
    return Result("secrets", len(listed), findings, "" if listed else "git lists no file")


def _excused(finding: Finding) -> bool:
    file = finding.where.rpartition(":")[0]
    return (file, finding.rule) in EXCEPTIONS or (
        finding.rule in GUESSES and file.startswith(PLANTED)
    )


def _modules(place: Path) -> Iterator[Path]:
    return place.rglob("*.py") if place.is_dir() else iter([place])


def _short(file: str) -> str:
    return Path(file).relative_to(ROOT).as_posix()


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:100] if lines else "said nothing"
