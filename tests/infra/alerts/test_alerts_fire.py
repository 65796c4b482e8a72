"""Each alert fires when it should and only then, by its own query on telemetry that arrived."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from simulator_tests.telemetry.kql import Workspace
from tests.infra.alerts.arrived import Run
from tests.infra.alerts.rules import Rule
from tests.infra.alerts.scenarios import SCENES, Scene

FIRES = [(name, scene) for name, pair in SCENES.items() for scene in pair.fires]
QUIET = [(name, scene) for name, pair in SCENES.items() for scene in pair.quiet]


def named(value: object) -> str:
    return value if isinstance(value, str) else getattr(value, "__name__", "")


def fires(
    name: str, scene: Scene, rules: dict[str, Rule], played: Run, workspace: Workspace
) -> bool:
    arrived = played.scenes[scene.__name__]
    return rules[name].fires(workspace, arrived.rows, arrived.ended, datetime.now(UTC))


def test_every_alert_of_the_template_has_its_scenes(deployed_rules: dict[str, Rule]) -> None:
    assert set(deployed_rules) == set(SCENES)


def test_all_but_these_scenes_are_made_of_what_the_app_itself_sends(played: Run) -> None:
    """The host and the storage account write these, imitated from their documented columns."""
    imitated = {name for name, scene in played.scenes.items() if scene.imitated}
    assert imitated == {"is_not_delivered", "something_else_is_stored"}


@pytest.mark.parametrize(("name", "scene"), FIRES, ids=named)
def test_the_alert_fires(
    name: str, scene: Scene, deployed_rules: dict[str, Rule], played: Run, workspace: Workspace
) -> None:
    assert fires(name, scene, deployed_rules, played, workspace)


def test_no_sweep_is_missed_before_it_was_due(
    deployed_rules: dict[str, Rule], played: Run, workspace: Workspace
) -> None:
    rule = deployed_rules["unswept"]
    arrived = played.scenes["was_swept_four_hours_ago"]
    assert rule.fires(workspace, arrived.rows, arrived.ended, datetime.now(UTC))
    new = replace(rule, query=rule.query.replace("2020-01-01", "2990-01-01"))
    assert new.query != rule.query
    assert not new.fires(workspace, arrived.rows, arrived.ended, datetime.now(UTC))


@pytest.mark.parametrize(
    ("scene", "opens"), [("has_lost_its_role", False), ("is_asked_by_a_stranger", True)]
)
def test_what_azure_refuses_while_new_roles_spread_opens_no_alert(
    scene: str, *, opens: bool, deployed_rules: dict[str, Rule], played: Run, workspace: Workspace
) -> None:
    rule = deployed_rules["denied"]
    assert "datetime(2020-01-01T00:30:00Z)" in rule.query
    new = replace(rule, query=rule.query.replace("2020-01-01", "2990-01-01"))
    arrived = played.scenes[scene]
    assert new.fires(workspace, arrived.rows, arrived.ended, datetime.now(UTC)) is opens


@pytest.mark.parametrize(("name", "scene"), QUIET, ids=named)
def test_the_alert_does_not_fire(
    name: str, scene: Scene, deployed_rules: dict[str, Rule], played: Run, workspace: Workspace
) -> None:
    assert not fires(name, scene, deployed_rules, played, workspace)
