"""The step that a template cannot do, done by a process with the real Azure CLI."""

from __future__ import annotations

import pytest

from scripts import grant_graph
from simulator.entra.directory import GRAPH_OBJECT_ID, Application
from simulator.identity import Principal
from simulator_tests.az.stage import Stage
from tests.infra.tenant import Tenant

IDENTITY = "aaaaaaaa-0000-0000-0000-000000000001"
SCRIPT = "grant_graph.py"
OWNED_BY = "18a4783c-866b-4cc7-a460-3d5e5662c884"


@pytest.fixture
def tenant(stage: Stage) -> Tenant:
    return Tenant(stage, SCRIPT)


@pytest.fixture
def identity(tenant: Tenant) -> Principal:
    return tenant.world.add_principal("rekey")


@pytest.fixture
def first(tenant: Tenant) -> Application:
    return tenant.world.add_application("first")


@pytest.fixture
def second(tenant: Tenant) -> Application:
    return tenant.world.add_application("second")


def test_the_identity_gets_the_permission_and_owns_each_application(
    tenant: Tenant, identity: Principal, first: Application, second: Application
) -> None:
    done = tenant.run(identity.oid, first.app_id, second.app_id)
    assert done.returncode == 0, done.stderr
    assert tenant.assignments == [(identity.oid, OWNED_BY, GRAPH_OBJECT_ID)]
    assert first.owners == second.owners == {identity.oid}


def test_a_second_run_changes_nothing_and_one_with_another_application_adds_it(
    tenant: Tenant, identity: Principal, first: Application, second: Application
) -> None:
    # More than a page of owners, and the identity on none of the first ones.
    first.owners |= {tenant.world.add_principal(f"owner-{number}").oid for number in range(4)}
    assert tenant.run(identity.oid, first.app_id).returncode == 0
    before, calls = tenant.state, len(tenant.calls)
    done = tenant.run(identity.oid, first.app_id)
    assert done.stdout.count("already") == 2
    assert tenant.state == before
    assert {exchange.request.method for exchange in tenant.calls[calls:]} == {"GET"}
    assert tenant.run(identity.oid, first.app_id, second.app_id).returncode == 0
    assert second.owners == {identity.oid}
    assert len(tenant.assignments) == 1


def test_what_az_says_of_a_refusal_is_passed_on(tenant: Tenant, identity: Principal) -> None:
    with tenant.refusing():
        done = tenant.run(identity.oid)
    assert done.returncode == 1
    assert "Insufficient privileges to complete the operation." in done.stderr
    assert tenant.run(identity.oid).returncode == 0, "the permissions of whom tests share are back"


@pytest.mark.parametrize("arguments", [(), ("rekey",), (IDENTITY, "my app")])
def test_what_is_no_id_is_answered_with_the_usage(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert grant_graph.main(arguments) == 2
    assert "IDENTITY APPLICATION" in capsys.readouterr().err
