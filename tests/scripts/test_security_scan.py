"""A scan that could not look is never called clean."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from scripts import scanners, security_scan
from scripts.scanners import Finding, Ran, Result

SOUND = {"name": "aiohttp", "version": "3.14.5", "vulns": []}
VULNERABILITY = {"id": "PYSEC-2024-60", "fix_versions": ["3.7"]}
SICK = {"name": "idna", "version": "3.0", "vulns": [VULNERABILITY]}
SKIPPED = {"name": "attrs", "skip_reason": "Dependency not found on PyPI: attrs (26.1.0)"}


def answering(*answers: Ran) -> Callable[[Sequence[str]], Ran]:
    """Return a runner whose tools end like this, one after the other."""
    waiting = iter(answers)
    return lambda _: next(waiting)


def audit(*packages: object) -> Ran:
    report = json.dumps({"dependencies": packages, "fixes": []})
    return Ran(0, report, "No known vulnerabilities found")


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ([audit(SOUND)], "clean"),
        ([audit(SOUND, SKIPPED), Ran(1, "", "osv: ConnectionError\n")], "unchecked"),
        ([audit(SICK, SKIPPED), audit(SKIPPED)], "findings"),
        ([audit(SKIPPED), audit(SOUND)], "clean"),
        ([audit(), audit()], "unchecked"),
    ],
)
def test_packages_are_clean_where_one_service_knows_all(answers: list[Ran], state: str) -> None:
    """pip-audit exits 0 with "No known vulnerabilities found" when it could look up nothing at all."""
    assert scanners.dependencies(answering(*answers)).state == state


def test_a_vulnerable_package_is_found_with_what_mends_it() -> None:
    scan = scanners.dependencies(answering(audit(SOUND, SICK)))
    assert scan.findings == (Finding("idna 3.0", "PYSEC-2024-60", "fixed in 3.7"),)
    assert scan.state == "findings"


def test_a_template_of_which_checkov_saw_no_resource_is_not_clean() -> None:
    """Checkov answers so for a template with symbolic names."""
    nothing = Ran(0, json.dumps({"passed": 0, "failed": 0, "resource_count": 0}))
    assert scanners.infrastructure(answering(nothing)).unchecked == "checkov saw no resource"


SEEN = {"summary": {"resource_count": 3}}


def test_checkov_sees_the_resources_of_every_snapshot() -> None:
    seen: list[int] = []

    def runner(command: Sequence[str]) -> Ran:
        folder = Path(command[command.index("--directory") + 1])
        seen.extend(len(json.loads(file.read_text())["resources"]) for file in folder.iterdir())
        return Ran(0, json.dumps(SEEN | {"results": {"failed_checks": []}}))

    assert scanners.infrastructure(runner) == Result("infrastructure", 3)
    assert len(seen) == len(list((scanners.ROOT / "infra" / "snapshots").glob("*.snapshot.json")))
    assert all(seen)


def test_what_checkov_finds_is_told() -> None:
    failed = {"file_path": "/on.json", "resource": "Microsoft.Web/sites.x"}
    failed |= {"check_id": "CKV_1", "check_name": "No"}
    output = json.dumps(SEEN | {"results": {"failed_checks": [failed]}})
    scan = scanners.infrastructure(answering(Ran(1, output)))
    assert scan.findings == (Finding("on.json Microsoft.Web/sites.x", "CKV_1", "No"),)


def planted(file: str, kind: str) -> Callable[[Sequence[str]], Ran]:
    report = {"results": {file: [{"type": kind, "line_number": 7}]}}
    return answering(Ran(0, file), Ran(0, json.dumps(report)))


@pytest.mark.parametrize(
    ("file", "kind", "state"),
    [
        ("cloud/vaults.py", "Secret Keyword", "findings"),
        ("cloud/rest/graph.py", "Secret Keyword", "clean"),
        ("cloud/rest/graph.py", "Private Key", "findings"),
        ("tests/shared/rig.py", "Secret Keyword", "clean"),
        ("tests/shared/rig.py", "Azure Storage Account access key", "findings"),
    ],
)
def test_made_up_passwords_are_excused_where_they_belong_and_real_formats_nowhere(
    file: str, kind: str, state: str
) -> None:
    assert scanners.secrets(planted(file, kind)).state == state


@pytest.mark.parametrize(
    "scan", [scanners.dependencies, scanners.infrastructure, scanners.workflows, scanners.secrets]
)
def test_a_tool_that_is_not_there_leaves_its_scan_unchecked(scan: Callable[..., Result]) -> None:
    broken = Ran(127, "", "sh: not found")
    result = scan(answering(broken, broken))
    assert (result.state, result.looked_at) == ("unchecked", 0)
    assert "not found" in result.unchecked


def test_a_program_that_does_not_exist_ends_as_in_a_shell() -> None:
    assert scanners.run(["/no/such/program"]) == Ran(127, "", "/no/such/program is not installed")


CLEAN = Result("a", 1)
FOUND = Result("b", 1, (Finding("file:1", "RULE", "bad"),))
UNCHECKED = Result("c", 0, unchecked="no network")


def scans_of(*results: Result) -> dict[str, Callable[[], Result]]:
    return {scan.name: partial(lambda result: result, scan) for scan in results}


@pytest.mark.parametrize(
    ("results", "code"),
    [([CLEAN], 0), ([CLEAN, FOUND], 1), ([CLEAN, UNCHECKED], 3), ([UNCHECKED, FOUND], 1)],
)
def test_the_exit_code_tells_found_from_not_looked_at(results: list[Result], code: int) -> None:
    assert security_scan.main([], scans_of(*results)) == code


def test_the_table_and_the_json_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    scans = scans_of(FOUND, UNCHECKED)
    security_scan.main([], scans)
    table = capsys.readouterr().out
    assert "RULE" in table
    assert "no network" in table
    security_scan.main(["--json", "b"], scans)
    (only,) = json.loads(capsys.readouterr().out)
    assert (only["state"], only["findings"][0]["rule"]) == ("findings", "RULE")
