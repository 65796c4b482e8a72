"""The `traces` view: what Application Insights would get of the host's log."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from simulator.host.log_filter import TracesView, reaches_traces
from simulator_tests.host.strict import strict, write_app

NAIVE = """
@app.route("work")
async def work(req: func.HttpRequest) -> str:
    logging.getLogger("app").error("only logged")
    print("printed error", file=sys.stderr, flush=True)
    raise RuntimeError("only raised")
"""


@pytest.mark.parametrize(
    ("category", "plain", "exporting"),
    [
        ("Function.rotate", True, False),
        ("Function.rotate.User", True, False),
        ("Functions", True, True),
        ("Host.Function.Console", True, True),
        ("Host.Triggers.Queue", True, True),
        ("Azure.Core", False, False),
        ("Host.Results", False, False),
        ("Host.Aggregator", False, False),
    ],
)
def test_a_category_reaches_traces_or_not(category: str, *, plain: bool, exporting: bool) -> None:
    assert reaches_traces(category, open_telemetry=False) is plain
    assert reaches_traces(category, open_telemetry=True) is exporting


async def seen(tmp_path: Path, opentelemetry: str) -> str:
    """Return the view after one failing call of the naive app."""
    path = tmp_path / "traces.jsonl"
    async with strict(
        write_app(tmp_path / "app", NAIVE), PYTHON_ENABLE_OPENTELEMETRY=opentelemetry
    ) as host:
        view = TracesView(path, lambda: host.supervisor.open_telemetry)
        logging.getLogger().addHandler(view)
        try:
            await host.call("work")
            await host.supervisor.kill()
        finally:
            logging.getLogger().removeHandler(view)
    return "\n".join(json.loads(line)["message"] for line in path.read_text().splitlines())


async def test_with_opentelemetry_on_the_host_keeps_failures_to_itself_and_only_what_is_printed_gets_through(
    tmp_path: Path,
) -> None:
    view = await seen(tmp_path, "true")
    assert "printed error" in view
    assert "only logged" not in view
    assert "only raised" not in view


async def test_without_it_everything_gets_through(tmp_path: Path) -> None:
    view = await seen(tmp_path, "")
    assert "printed error" in view
    assert "only logged" in view
    assert "only raised" in view
