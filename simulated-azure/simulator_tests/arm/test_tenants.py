"""What a sign-in leads to: the tenant, and the subscriptions in which the caller has a role."""

from __future__ import annotations

import pytest

from simulator.azure import SUBSCRIPTION, build_world
from simulator.identity import HOME_TENANT
from simulator_tests.caller import Caller, body_of, error_of

OTHER = "99999999-2222-4333-8444-555555555555"


@pytest.fixture
def caller() -> Caller:
    azure = build_world()
    azure.add_group()
    azure.add_group(OTHER)
    return Caller(azure, azure.add_principal("somebody"))


def subscriptions(caller: Caller) -> list[str]:
    return [
        subscription["subscriptionId"]
        for subscription in body_of(caller.arm("GET", "/subscriptions"))["value"]
    ]


@pytest.mark.parametrize(
    ("scope", "visible"),
    [
        (None, []),
        (f"/subscriptions/{SUBSCRIPTION}", [SUBSCRIPTION]),
        (f"/subscriptions/{SUBSCRIPTION.upper()}/resourceGroups/production", [SUBSCRIPTION]),
        ("/", [SUBSCRIPTION, OTHER]),
    ],
)
def test_a_subscription_is_listed_for_whom_has_a_role_in_it(
    scope: str | None, visible: list[str], caller: Caller
) -> None:
    if scope and caller.principal:
        caller.world.roles.grant(caller.principal, ["*/read"], scope)
    assert subscriptions(caller) == visible
    single = caller.arm("GET", f"/subscriptions/{OTHER}")
    if OTHER in visible:
        assert body_of(single)["state"] == "Enabled"
    else:
        assert error_of(single) == (404, "SubscriptionNotFound")


def test_the_tenant_is_listed_for_everybody_with_a_token(caller: Caller) -> None:
    (tenant,) = body_of(caller.arm("GET", "/tenants"))["value"]
    assert tenant["tenantId"] == HOME_TENANT
    assert Caller(caller.world).arm("GET", "/tenants").status == 401
