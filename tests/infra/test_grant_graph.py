"""The step that a template cannot do: run as a process, with an `az` that answers as Microsoft Graph does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra.tenant import Tenant

SCRIPT = "grant_graph.py"
IDENTITY = "aaaaaaaa-0000-0000-0000-000000000001"
FIRST, SECOND = "bbbbbbbb-0000-0000-0000-000000000001", "bbbbbbbb-0000-0000-0000-000000000002"


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant(tmp_path, SCRIPT)


def test_the_identity_gets_the_permission_and_owns_each_application(tenant: Tenant) -> None:
    done = tenant.run(IDENTITY, FIRST, SECOND)
    assert done.returncode == 0, done.stderr
    assert tenant.state["assignments"] == [
        {
            "principalId": IDENTITY,
            "resourceId": "object-of-00000003-0000-0000-c000-000000000000",
            "appRoleId": "18a4783c-866b-4cc7-a460-3d5e5662c884",
        }
    ]
    assert tenant.state["owners"] == {FIRST: [IDENTITY], SECOND: [IDENTITY]}


def test_a_second_run_changes_nothing(tenant: Tenant) -> None:
    tenant.run(IDENTITY, FIRST)
    before = tenant.state
    done = tenant.run(IDENTITY, FIRST)
    assert done.stdout.count("already") == 2
    assert (tenant.state["assignments"], tenant.state["owners"]) == (before["assignments"], before["owners"])
    assert not [url for method, url in tenant.state["calls"][len(before["calls"]) :] if method == "post"]


def test_another_application_is_added_to_those_that_are_owned(tenant: Tenant) -> None:
    tenant.run(IDENTITY, FIRST)
    tenant.run(IDENTITY, FIRST, SECOND)
    assert tenant.state["owners"] == {FIRST: [IDENTITY], SECOND: [IDENTITY]}
    assert len(tenant.state["assignments"]) == 1


def test_what_az_says_of_a_refusal_is_passed_on(tmp_path: Path) -> None:
    done = Tenant(tmp_path, SCRIPT, refuse=True).run(IDENTITY, FIRST)
    assert done.returncode == 1
    assert done.stderr.strip() == "Insufficient privileges to complete the operation."


@pytest.mark.parametrize("arguments", [(), ("rekey",), (IDENTITY, "my app")])
def test_what_is_no_id_is_answered_with_the_usage(arguments: tuple[str, ...], tenant: Tenant) -> None:
    done = tenant.run(*arguments)
    assert done.returncode == 2
    assert "IDENTITY APPLICATION" in done.stderr
    assert tenant.state["calls"] == []
