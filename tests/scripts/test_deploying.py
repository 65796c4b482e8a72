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


def test_a_package_is_deployed_as_it_is(flex: Flex, package: Path) -> None:
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
def test_each_way_of_saying_that_rights_are_missing_is_waited_out(
    text: str, flex: Flex, package: Path
) -> None:
    flex.storage_text, flex.storage_from = text, START + 3 * MINUTE
    push(site(flex), package, flex.clock)
    assert flex.running == b"the package"


@pytest.mark.parametrize(
    ("late", "reason"),
    [
        ("site_from", "answered 404"),
        ("service_from", "answered 403"),
        ("storage_from", "InaccessibleStorage"),
    ],
)
def test_the_wait_has_a_bound_and_its_end_names_the_fix(
    late: str, reason: str, flex: Flex, package: Path
) -> None:
    setattr(flex, late, START + 60 * MINUTE)
    with pytest.raises(StepError, match=reason) as gave_up:
        push(site(flex), package, flex.clock)
    assert "Storage Blob Data Owner" in str(gave_up.value)
    assert flex.clock.now() - START <= RIGHTS + MINUTE


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        ({"status": 3, "status_text": "the zip file is broken"}, "failed: the zip file is broken"),
        (
            {"status": 3, "status_text": None, "build_summary": {"errors": ["no space"]}},
            "no reason was given; no space",
        ),
        ({"status": -1, "status_text": "by hand"}, "was cancelled: by hand"),
        ({"status": 6, "status_text": "one instance"}, "succeeded in part only: one instance"),
    ],
)
def test_a_deployment_that_fails_for_good_is_not_repeated(
    ends: dict[str, object], reason: str, flex: Flex, package: Path
) -> None:
    flex.ends = ends
    with pytest.raises(StepError, match=reason):
        push(site(flex), package, flex.clock)
    assert len(flex.packages) == 1


def test_a_deployment_that_is_unknown_at_first_is_followed_all_the_same(
    flex: Flex, package: Path
) -> None:
    flex.unknown = 3
    push(site(flex), package, flex.clock)
    assert (flex.running, len(flex.packages)) == (b"the package", 1)


def test_a_deployment_that_is_gone_after_it_was_seen_has_ended(flex: Flex, package: Path) -> None:
    flex.recycles = True
    push(site(flex), package, flex.clock)
    assert len(flex.packages) == 1


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"ends": {"status": 2}}, "has not ended yet"),
        ({"ends": {"status": 5, "status_text": "in progress"}}, "met another deployment"),
        ({"unknown": 1000}, "does not know the deployment"),
    ],
)
def test_a_deployment_without_an_end_is_not_waited_for_for_ever(
    state: dict[str, object], reason: str, flex: Flex, package: Path
) -> None:
    vars(flex).update(state)
    with pytest.raises(StepError, match=reason):
        push(site(flex), package, flex.clock)
    assert len(flex.packages) > 1


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


def test_an_app_in_which_functions_never_appear_fails_loudly(flex: Flex, package: Path) -> None:
    flex.indexed_after = 10_000
    with pytest.raises(
        StepError, match=r"first sweep: the app \(/admin/functions/sweep\) was answered 404"
    ) as gave_up:
        finish(site(flex), package, flex.clock, well)
    assert "rekey doctor --app" in str(gave_up.value)
    assert flex.clock.now() - START < 15 * MINUTE


def test_the_doctor_is_asked_until_the_sweep_has_come_to_its_end(flex: Flex, package: Path) -> None:
    findings = ["no sweep of prod has ended", "no sweep of prod has ended", ""]
    finish(site(flex), package, flex.clock, lambda: findings.pop(0))
    assert findings == []


def test_an_app_behind_sign_in_sweeps_by_its_schedule_and_that_is_waited_for(
    flex: Flex, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flex.sign_in = True
    swept = START + 50 * MINUTE
    finish(
        site(flex),
        package,
        flex.clock,
        lambda: "" if flex.clock.now() >= swept else "no sweep has ended",
    )
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


def test_a_host_that_never_starts_ends_the_deployment_with_azure_s_words(
    flex: Flex, package: Path
) -> None:
    flex.host_from = START + 600 * MINUTE
    with pytest.raises(StepError, match=r"\(ServiceUnavailable\) from host runtime"):
        finish(site(flex), package, flex.clock, well)
    assert flex.clock.now() - START < 15 * MINUTE


def test_an_app_that_knows_no_key_and_asks_nobody_to_sign_in_is_not_waited_for_an_hour(
    flex: Flex, package: Path
) -> None:
    flex.known_from = START + 600 * MINUTE
    with pytest.raises(StepError, match="was answered 401"):
        finish(site(flex), package, flex.clock, lambda: "no sweep has ended")
    assert flex.clock.now() - START < 5 * MINUTE


def test_a_deployment_service_that_refuses_the_sign_in_is_believed_after_minutes(
    flex: Flex, package: Path
) -> None:
    flex.service_refuses = True
    with pytest.raises(StepError, match="the upload was answered 401"):
        push(site(flex), package, flex.clock)
    assert flex.clock.now() - START < 5 * MINUTE


def test_what_the_doctor_keeps_finding_is_how_the_deployment_fails(
    flex: Flex, package: Path
) -> None:
    with pytest.raises(StepError, match="finding: on_vault_event is not indexed"):
        finish(site(flex), package, flex.clock, lambda: "finding: on_vault_event is not indexed")


def check(result: str, what: str, where: str = "", fix: str = "") -> dict[str, str]:
    return {"result": result, "what": what, "where": where, "fix": fix}


def test_only_what_speaks_against_the_deployment_fails_it() -> None:
    report = {
        "findings": 3,
        "checks": [
            check("fine", "every queue exists"),
            check("note", "functions of another version: old", SITE),
            check(
                "finding",
                "tag ValidityPeriodDays is 'ninety'",
                "https://prod.vault.azure.net/secrets/app",
            ),
            check(
                "finding",
                "reading a queue was answered 403 AuthorizationPermissionMismatch",
                "vault-events",
            ),
            check(
                "finding", "Azure indexed 3 of 20 functions", SITE, "deploy a package with a bundle"
            ),
        ],
    }
    assert problems(report) == [
        f"Azure indexed 3 of 20 functions ({SITE}). Fix: deploy a package with a bundle"
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
