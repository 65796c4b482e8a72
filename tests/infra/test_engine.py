"""Our reading of a template is Microsoft's: the engine makes what the compiler predicts."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from simulator.arm.deployments.engine import NESTED, without_nulls
from simulator.arm.deployments.scope import Scope
from tests.infra.bicep import names, snapshot
from tests.infra.customer import PLACE, CustomerTenant

UNKNOWN = "[unknown()]"
"""What the compiler cannot work out: a reference to a resource that exists already."""


NESTED_NAME = re.compile(
    r"resourceId\('[^']+', '[^']+', 'Microsoft\.Resources/deployments', "
    r"format\('(\w+)-\{0\}'.*?\)(?=, '2025-04-01'\))"
)
"""How the compiler names a nested deployment, by a name of the outer one that it does not know."""


def evaluated(customer: CustomerTenant, raw: Any) -> Any:
    """Return what the compiler left open, worked out now that everything exists."""
    # Modules in other groups share names; what is referred to there has a name of its own.
    deployments = sorted(
        customer.tenant.of_kind(NESTED), key=lambda nested: nested.id.startswith(f"{PLACE.id}/")
    )
    nested = {
        resource.id.rpartition("/")[2].rpartition("-")[0]: resource.id for resource in deployments
    }
    text = NESTED_NAME.sub(lambda match: f"'{nested[match[1]]}'", json.dumps(raw))
    return Scope({}, {}, PLACE, "rekey", customer.tenant).value(json.loads(text))


def comparable(resource: dict[str, Any]) -> Any:
    """Return what both sides say of a resource; the compiler leaves out what is empty."""
    kept = {
        key: resource[key]
        for key in ("type", "apiVersion", "location", "tags", "kind", "sku")
        if key in resource
    }
    return without_nulls(
        {**kept, **{key: resource.get(key, {}) for key in ("properties", "identity")}}
    )


@pytest.mark.parametrize("name", names())
def test_the_engine_makes_what_the_compiler_predicts_and_nothing_else(
    name: str, sets: dict[str, dict[str, Any]]
) -> None:
    customer = CustomerTenant(sets[name])
    before = set(customer.tenant.resources)
    customer.deploy()
    made = {
        id_: resource
        for id_, resource in customer.tenant.resources.items()
        if id_ not in before and resource.kind != NESTED and not resource.kind.endswith("/subnets")
    }
    predicted = [
        resource
        for resource in snapshot(name)["predictedResources"]
        if UNKNOWN not in str(resource)
    ]
    left_open = len(snapshot(name)["predictedResources"]) - len(predicted)
    assert left_open == (2 if name == "three-subscriptions" else 0)
    assert len(made) == len(predicted) + left_open
    for raw in predicted:
        expected = evaluated(customer, raw)
        assert comparable(dict(made[expected["id"].lower()].body)) == comparable(expected), (
            expected["id"]
        )
    assert customer.outputs == evaluated(customer, snapshot(name)["outputs"])
