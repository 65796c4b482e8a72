"""What is dear to make, once a run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.infra.bicep import names
from tests.infra.customer import parameters
from tests.shared.once import once


@pytest.fixture(scope="session")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return every set of parameters that has a snapshot."""
    made = once(
        tmp_path_factory,
        "sets.json",
        lambda: json.dumps({name: parameters(name) for name in names()}),
    )
    listed: dict[str, dict[str, Any]] = json.loads(made)
    return listed
