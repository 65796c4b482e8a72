"""The kit against an HTTPS endpoint on loopback, over real TLS: the example, and broken ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from conformance.endpoint_file import Plan
from conformance.endpoints import EndpointStand
from conformance.kit import Check
from conformance.scene import Begin
from conformance.stories import told
from engine.errors import ConfigError
from tests.cli.desk import captured
from tests.conformance.served import server, serving
from tests.conformance.sorts import Many, Single
from tests.conformance.stands import CHECKS, broken


class Idle(server.Tokens):  # type: ignore[misc]
    """Retires nothing."""

    @staticmethod
    def _retire(*_: Any) -> Any:
        return 200, {"outcome": "gone"}


class Everywhere(server.Tokens):  # type: ignore[misc]
    """Knows every source that anybody names."""

    def answer(self, call: str, body: Any) -> Any:
        return super().answer(call, {**body, "source": "orders"})


FRAUDS = (
    (Idle, "retiring twice revokes the superseded credential"),
    (Everywhere, "a missing source is named"),
)
"""What else is found out is the same for a package (test_kit.py)."""


async def found(plan: Path, checks: tuple[Check, ...] = CHECKS) -> Any:
    stand = EndpointStand.at(Plan.read("acme-hook", plan))
    try:
        return await broken(stand, checks)
    finally:
        await stand.close()


@pytest.mark.parametrize("tokens", [server.Tokens, Many, Single])
async def test_a_correct_endpoint_of_any_sort_keeps_promises(tokens: Any, tmp_path: Path) -> None:
    with serving(tmp_path, tokens()) as plan:
        assert await found(plan) == {}


async def rotations_in_a_row(begin: Begin) -> None:
    """Play whole rotations at one source, with a death at the first call, and without."""
    for plan in ({}, {0: "die before"}, {}):
        await told(begin, plan, compromised=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("tokens", [Many, Single])
async def test_whole_rotations_follow_each_other_at_one_source(tokens: Any, tmp_path: Path) -> None:
    with serving(tmp_path, tokens()) as plan:
        assert await found(plan, (rotations_in_a_row,)) == {}


@pytest.mark.parametrize(("tokens", "check"), FRAUDS)
async def test_a_broken_endpoint_is_caught(tokens: Any, check: str, tmp_path: Path) -> None:
    with serving(tmp_path, tokens()) as plan:
        problems = await found(plan)
    assert check in problems, problems
    assert len(problems) < len(CHECKS), "what it does right is not said to be broken"


def test_the_command_plays_it_and_its_exit_code_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.conformance.EVERY", CHECKS)
    with serving(tmp_path, Idle()) as plan:
        argv = ["conformance", "acme-hook", "--endpoint", str(plan), "-o", "json"]
        ran = captured(lambda: main(argv, {}))
        shown = json.loads(ran.out)
        assert (ran.code, shown["kind"], shown["broken"] > 0) == (1, "acme-hook", True)
    with serving(tmp_path, server.Tokens()) as plan:
        ran = captured(lambda: main([*argv[:-2]], {}))
    assert ran.code == 0, ran.out
    assert f"checks: {len(CHECKS) + 4}, broken: 0" in ran.out
    assert "fine: a wrong credential is refused" in ran.out
    assert "fine: what no known key signed is refused" in ran.out


async def test_an_endpoint_whose_certificate_nobody_trusts_gets_no_request(tmp_path: Path) -> None:
    with serving(tmp_path, server.Tokens()) as plan:
        data = json.loads(plan.read_text())
        del data["caFile"]
        plan.write_text(json.dumps(data))
        problems = await found(plan)
    assert len(problems) == len(CHECKS)
    assert "got no answer" in str(problems)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"url": "https://localhost:9/rekey"},
            "localhost:9/rekey cannot be played: verify of acme-hook got no",
        ),
        ({"held": {"id": "first", "value": "x" * 20}}, "it refuses held"),
    ],
)
def test_an_endpoint_that_cannot_be_played_is_not_accused(
    change: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with serving(tmp_path, server.Tokens()) as plan:
        plan.write_text(json.dumps(json.loads(plan.read_text()) | change))
        ran = captured(lambda: main(["conformance", "acme-hook", "--endpoint", str(plan)], {}))
    assert ran.code == 3, ran.out
    assert reason in ran.err
    assert "finding" not in ran.out


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"url": "http://localhost:1/rekey"}, "url must be https"),
        ({"source": None, "held": None}, "held must be an object"),
        ({"signingKey": {"id": "dev", "key": "short"}}, "fewer than 32 characters"),
        ({"held": {"id": "first"}}, "held must be an object with id and value"),
        ({"surplus": 1}, "has no use for 'surplus'"),
        ({"source": 5}, "source must be the name of a source"),
        ({"source": ""}, "source must be the name of a source"),
        ({"held": {"id": "third", "value": "x" * 20}}, "held has the id 'third': write first or"),
        ({"caFile": "nowhere.pem"}, "caFile 'nowhere.pem' cannot be read"),
        ({"caFile": "plan.json"}, "caFile 'plan.json' cannot be read"),
        ({"caFile": 5}, "caFile 5 cannot be read"),
    ],
)
def test_a_file_that_cannot_be_played_says_why(
    change: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    shown = server.plan(1, server.Tokens(), "k" * 40, tmp_path / "ca.pem")
    file.write_text(json.dumps({**shown, **change}))
    with pytest.raises(ConfigError, match=reason):
        Plan.read("acme-hook", file)


@pytest.mark.parametrize("kind", ["storage-key", "Acme"])
def test_a_name_that_cannot_be_had_is_refused(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(server.plan(1, server.Tokens(), "k" * 40, tmp_path)))
    with pytest.raises(ConfigError, match="choose another"):
        Plan.read(kind, file)
    file.write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        Plan.read("acme-hook", file)
