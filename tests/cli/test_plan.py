"""`rekey plan` shows what is to come.

What it foresees is proven in tests/engine/decide/test_forecast.py.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.cli.desk import managing


def test_what_is_to_come_is_shown_in_order_of_time() -> None:
    desk = managing(50, "well")
    desk.secret("early", desk.account("earlydata"), days_left=40)
    ran = desk.run("plan")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "until 2026-12-02 09:00Z to come: 4, expiries that nothing will prevent: 0",
        "",
        "what    when                        secret      why",
        "rotate  2026-11-12 09:00Z  in 10 d  prod/early  expires 2026-12-12 09:00Z",
        "retire  2026-11-19 09:00Z  in 17 d  prod/early  its overlap passed at 2026-11-19 09:00Z",
        "rotate  2026-11-22 09:00Z  in 20 d  prod/well   expires 2026-12-22 09:00Z",
        "retire  2026-11-29 09:00Z  in 27 d  prod/well   its overlap passed at 2026-11-29 09:00Z",
    ]


@pytest.mark.parametrize(("days", "count"), [("19", 0), ("20", 1), ("366", 12)])
def test_the_days_are_how_far_it_looks(days: str, count: int) -> None:
    shown = managing(50, "well").run("plan", "--days", days, "--json").json
    assert len(shown["coming"]) == count


def test_an_expiry_that_nothing_prevents_is_a_finding_with_its_fix() -> None:
    desk = managing(50, "well")
    desk.secret("odd", desk.account("odddata"), tags={"ValidityPeriodDays": "sixty"})
    ran = desk.run("plan", "--json")
    (lost,) = [row for row in ran.json["coming"] if row["what"] == "expire"]
    mending = "rekey tags set prod/odd ValidityPeriodDays=90"
    assert (ran.code, lost["secret"], lost["fix"]) == (1, "odd", mending)
    assert "expiries that nothing will prevent: 1" in desk.run("plan").out


def test_one_vault_is_shown_but_all_are_looked_at() -> None:
    desk = managing(50, "well")
    replica = desk.world.add_vault("copies")
    soon = desk.clock.now() + timedelta(days=50)
    replica.put("copy", "x", expires=soon, tags={"ReplicaOf": f"{desk.vault.url}/secrets/well"})
    ran = desk.run("plan", "--vault", "copies", "--days", "60", env=desk.beside(replica))
    assert (ran.code, ran.out.count("\n")) == (0, 1)
