"""From a template that was deployed to functions that have swept once, while rights spread."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from scripts.deploying.finish import finish, result
from scripts.deploying.patience import RIGHTS, StepError
from scripts.deploying.push import push
from scripts.deploying.site import Site
from scripts.deploying.verify import problems
from tests.scripts.deployed_app import START, Clock, Credential
from tests.scripts.flex import SITE, Flex, serving

MINUTE = timedelta(minutes=1)


NEVER = START + 600 * MINUTE


@pytest.fixture
def flex(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flex]:
    with serving(tmp_path, Clock()) as (served, authority):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        yield served


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "rekey.zip").write_bytes(b"the package")
    return tmp_path / "rekey.zip"


def site(flex: Flex) -> Site:
    return Site(SITE, Credential(), flex.url)


def well() -> str:
    return ""


@pytest.mark.parametrize("state", [{}, {"unknown": 3}, {"recycles": True}])
def test_a_package_is_deployed_as_it_is_and_followed_though_it_is_unknown_at_first_or_gone_later(
    state: dict[str, object], flex: Flex, package: Path
) -> None:
    vars(flex).update(state)
    push(site(flex), package, flex.clock)
    assert (flex.running, len(flex.packages)) == (b"the package", 1)


@pytest.mark.parametrize("late", ["site_from", "service_from", "storage_from"])
def test_what_is_not_there_or_not_allowed_yet_is_waited_for(
    late: str, flex: Flex, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    setattr(flex, late, START + 9 * MINUTE)
    push(site(flex), package, flex.clock)
    assert flex.running == b"the package"
    assert flex.clock.now() - START < 11 * MINUTE
    assert "; again in 60 s, for " in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        "InaccessibleStorageException: Failed to access storage account for deployment",
        "Status: 403 (This request is not authorized to perform this operation.)",
        "ErrorCode:AuthorizationPermissionMismatch",
        "AuthorizationFailure: This request is not authorized to perform this operation.",
    ],
)
def test_any_wording_of_missing_rights_is_waited_out(text: str, flex: Flex, package: Path) -> None:
    flex.storage_text, flex.storage_from = text, START + 3 * MINUTE
    push(site(flex), package, flex.clock)
    assert flex.running == b"the package"


def test_a_deployment_whose_service_restarts_is_repeated(flex: Flex, package: Path) -> None:
    flex.restarts = 2
    push(site(flex), package, flex.clock)
    assert len(flex.packages) == 3
    assert flex.running == b"the package"


@pytest.mark.parametrize(
    ("late", "reason"),
    [
        ("site_from", "answered 404"),
        ("service_from", "answered 403"),
        ("storage_from", "InaccessibleStorage"),
    ],
)
def test_the_wait_ends_and_names_the_fix(late: str, reason: str, flex: Flex, package: Path) -> None:
    setattr(flex, late, START + 60 * MINUTE)
    with pytest.raises(StepError, match=reason) as gave_up:
        push(site(flex), package, flex.clock)
    assert "Storage Blob Data Owner" in str(gave_up.value)
    assert flex.clock.now() - START <= RIGHTS + MINUTE


def fails(status: int, text: str | None) -> dict[str, object]:
    return {
        "ends": {"status": status, "status_text": text, "build_summary": {"errors": ["no space"]}}
    }


@pytest.mark.parametrize(
    ("state", "reason", "is_over"),
    [
        (fails(3, "the zip file is broken"), "failed: the zip file is broken", True),
        (fails(3, None), "no reason was given; no space", True),
        (fails(-1, "by hand"), "was cancelled: by hand", True),
        (fails(6, "one instance"), "succeeded in part only: one instance", True),
        ({"ends": {"status": 2}}, "has not ended yet", False),
        ({"ends": {"status": 5, "status_text": "in progress"}}, "met another deployment", False),
        ({"unknown": 1000}, "does not know the deployment", False),
    ],
)
def test_a_deployment_that_fails_is_repeated_unless_it_is_over_and_not_for_ever(
    state: dict[str, object], reason: str, flex: Flex, package: Path, *, is_over: bool
) -> None:
    vars(flex).update(state)
    with pytest.raises(StepError, match=reason):
        push(site(flex), package, flex.clock)
    assert (len(flex.packages) == 1) is is_over


def test_the_way_ends_with_what_the_first_sweep_saw(
    flex: Flex, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flex.indexed_after = 3
    flex.secrets = [
        {"state": state} for state in ("ok", "due", "overdue", "parked", "unmanaged", "disabled")
    ]
    finish(site(flex), package, flex.clock, well)
    assert flex.sweeps == 1
    output = capsys.readouterr().out
    assert "first sweep: secrets seen 6, managed 4, due 2, parked 1" in output
    assert "rekey status says why" in output


def test_the_doctor_is_asked_until_the_sweep_has_come_to_its_end(flex: Flex, package: Path) -> None:
    findings = ["no sweep of prod has ended", "no sweep of prod has ended", ""]
    finish(site(flex), package, flex.clock, lambda: findings.pop(0))
    assert findings == []


def test_an_app_behind_sign_in_sweeps_by_its_schedule_and_that_is_waited_for(
    flex: Flex, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flex.sign_in = True
    swept = START + 50 * MINUTE
    doctor = lambda: "" if flex.clock.now() >= swept else "no sweep has ended"  # noqa: E731
    finish(site(flex), package, flex.clock, doctor)
    output = capsys.readouterr().out
    assert "asks its callers to sign in, so its schedule starts it" in output
    assert output.endswith("first sweep: ended; rekey status shows what it saw\n")


@pytest.mark.parametrize("late", ["host_from", "known_from"])
def test_a_host_that_starts_is_waited_for_and_that_is_said(
    late: str, flex: Flex, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    setattr(flex, late, START + 2 * MINUTE)
    finish(site(flex), package, flex.clock, well)
    assert flex.sweeps == 1
    assert "first sweep: " in capsys.readouterr().out
    assert flex.clock.now() - START < 5 * MINUTE


@pytest.mark.parametrize(
    ("state", "words", "minutes"),
    [
        ({"host_from": NEVER}, r"\(ServiceUnavailable\) from host runtime", 15),
        ({"known_from": NEVER}, "was answered 401", 5),
        (
            {"indexed_after": 10_000},
            r"first sweep: the app \(/admin/functions/sweep\) was answered 404(.|\n)*rekey doctor --app",
            15,
        ),
    ],
)
def test_an_app_that_never_comes_is_not_waited_for_an_hour_and_ends_in_azure_s_words(
    state: dict[str, object], words: str, minutes: int, flex: Flex, package: Path
) -> None:
    vars(flex).update(state)
    with pytest.raises(StepError, match=words):
        finish(site(flex), package, flex.clock, lambda: "no sweep has ended")
    assert flex.clock.now() - START < minutes * MINUTE


def test_a_deployment_service_that_refuses_the_sign_in_is_believed_after_minutes(
    flex: Flex, package: Path
) -> None:
    flex.service_refuses = True
    with pytest.raises(StepError, match="the upload was answered 401"):
        push(site(flex), package, flex.clock)
    assert flex.clock.now() - START < 5 * MINUTE


def test_what_the_doctor_keeps_finding_fails_the_deployment(flex: Flex, package: Path) -> None:
    with pytest.raises(StepError, match="finding: on_vault_event is not indexed"):
        finish(site(flex), package, flex.clock, lambda: "finding: on_vault_event is not indexed")


def test_only_what_speaks_against_the_deployment_fails_it() -> None:
    rows = (
        ("fine", "every queue exists", "", ""),
        ("note", "functions of another version: old", SITE, ""),
        ("finding", "tag X is 'ninety'", "https://prod.vault.azure.net/secrets/app", ""),
        ("finding", "reading was answered 403 AuthorizationPermissionMismatch", "vault-events", ""),
        ("finding", "reading was answered 404 QueueNotFound", "vault-events", "deploy again"),
        ("finding", "Azure indexed 3 of 20 functions", SITE, "deploy a package with a bundle"),
    )
    checks = [dict(zip(("result", "what", "where", "fix"), row, strict=True)) for row in rows]
    assert problems({"findings": 4, "checks": checks}) == [
        "reading was answered 404 QueueNotFound (vault-events). Fix: deploy again",
        f"Azure indexed 3 of 20 functions ({SITE}). Fix: deploy a package with a bundle",
    ]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ((200, {"status": "ok"}), ""),
        (
            (503, {"title": "Service Unavailable", "detail": "the sweep of prod is overdue"}),
            "503: the sweep of prod",
        ),
        ((200, {"status": "ill"}), "200: it answers something else"),
        ((502, ""), "502: it answers something else"),
        ((404, ["odd"]), "404: it answers something else"),
    ],
)
def test_the_app_s_own_health_is_told(
    answer: tuple[int, object], complaint: str, flex: Flex
) -> None:
    flex.health = [answer]
    problem = site(flex).health()
    assert (complaint in problem, bool(problem)) == (True, bool(complaint))


@pytest.mark.parametrize(
    ("states", "ending"),
    [
        ([], "secrets seen 0, managed 0, due 0, parked 0\nno secret is managed yet"),
        (["unmanaged"], "secrets seen 1, managed 0, due 0, parked 0\nno secret is managed yet"),
        (["ok"], "secrets seen 1, managed 1, due 0, parked 0"),
    ],
)
def test_the_result_says_what_comes_next(states: list[str], ending: str) -> None:
    assert result(states).removeprefix("first sweep: ").startswith(ending)
    assert ("rekey adopt" in result(states)) is ("ok" not in states)
