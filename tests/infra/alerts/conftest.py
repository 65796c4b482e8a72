"""The engine, the rules and the run, each made once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulator_tests.telemetry.kql import Workspace
from tests.infra.alerts.arrived import Run, play, read
from tests.infra.alerts.rules import Rule, compiled, rules
from tests.shared.once import once


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    """Return the engine; its tables are filled anew for each question."""
    engine = Workspace()
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def deployed_rules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rule]:
    return rules(
        once(tmp_path_factory, "rules.json", lambda: compiled(tmp_path_factory.mktemp("rules")))
    )


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return what arrived when all scenes were played."""
    return read(once(tmp_path_factory, "played.json", play))
