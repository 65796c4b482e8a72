"""A start that fails is seen: in Application Insights, on stderr, and as what stops the app."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from azure.identity.aio import ManagedIdentityCredential

from cloud.azure import call
from cloud.telemetry import setup, startup
from engine.errors import ConfigError, TransientError
from simulator.reach.server import start_in_thread
from simulator.reach.transport import Call, SimulatedTransport
from simulator.telemetry.service import IngestionService
from simulator.telemetry.tables import row
from simulator.wire import Request, Response, json_response
from simulator.world import Domains, World
from tests.infra.alerts.arrived import OFFLINE
from tests.parts import ROOT
from tests.programs import run

KEY = "b1f2c3d4-0000-4000-8000-5e6f7a8b9c0d"
GOOD = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "REKEY_VAULTS": "https://prod.vault.azure.net",
    "REKEY_SCOPES": '{"https://prod.vault.azure.net": ["/subscriptions/x"]}',
}
WRONG = {"REKEY_VAULTS": "prod", "REKEY_SCOPES": "{", "REKEY_SWEEP_SCHEDULE": "", "REKEY_TYPO": "x"}


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """Give the loggers their levels back, which a start in this process sets."""
    loggers = [logging.getLogger(name) for name in ("azure", "azure.identity", "rekey")]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


class Ingestion(World):
    """A cloud that holds nothing but the endpoint."""

    def __init__(self, domains: Domains) -> None:
        super().__init__(lambda: datetime.now(UTC), domains)
        self.service = IngestionService(self, domains.identity, KEY)
        self.services.append(self.service)


def start(
    folder: Path, settings: dict[str, str], code: str = "import function_app"
) -> tuple[list[str], str, int]:
    """Import function_app.py in a process; return what arrived, stderr and its exit code."""
    with start_in_thread(Ingestion) as cloud:
        service = cloud.world.service
        environment = {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(folder),
            **OFFLINE,
            **settings,
            "APPLICATIONINSIGHTS_CONNECTION_STRING": service.connection_string,
        }
        # What the worker does on a failed load is nothing; then it is killed, so nothing may wait
        # for its end.
        body = (
            f"import os, traceback\ntry:\n    {code}\nexcept Exception:\n    "
            "traceback.print_exc()\n    os._exit(7)\n"
        )
        ran = run(sys.executable, "-c", body, env=environment)
        rows = [columns for table, columns in map(row, service.envelopes) if table == "traces"]
    assert service.refused == []
    arrived = [str(columns["message"]) for columns in rows if columns["severityLevel"] == 4]
    return arrived, ran.stderr, ran.returncode


def test_each_wrong_setting_is_critical_and_on_stderr_before_the_app_stops(tmp_path: Path) -> None:
    arrived, stderr, code = start(tmp_path, GOOD | WRONG)
    assert code == 7, stderr
    lines = [text for text in stderr.splitlines() if text.startswith("rekey: the app cannot start")]
    for name in WRONG:
        assert [text for text in arrived if name in text], name
        assert [text for text in lines if name in text], name
    assert "ConfigError" in stderr


def test_what_nobody_thought_of_arrives_too_without_its_text(tmp_path: Path) -> None:
    code = (
        "from cloud.telemetry import setup, startup; setup.configure(os.environ)\n    with "
        "startup.reported('x'): 1 / 0"
    )
    arrived, stderr, _ = start(tmp_path, GOOD, code)
    assert len(arrived) == 1
    assert arrived[0].startswith("x: ZeroDivisionError in <string>, line")
    assert "rekey: x: ZeroDivisionError" in stderr


async def test_a_token_that_azure_identity_cannot_read_is_in_no_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(request: Request, call: Call) -> Response:
        del request, call
        return json_response(200, {"access_token": "eyJ-planted"})

    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    startup.begin(GOOD)
    identity = ManagedIdentityCredential(transport=SimulatedTransport(World(), answer))
    with pytest.raises(TransientError, match="got no answer"):
        await call("reading", identity.get_token("https://vault.azure.net/.default"), where="x")
    assert "planted" not in caplog.text


def test_every_span_of_a_mass_rotation_is_sent_and_none_that_holds_a_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options: dict[str, Any] = {}
    monitor = "azure.monitor.opentelemetry.configure_azure_monitor"
    monkeypatch.setattr(monitor, lambda **named: options.update(named))
    monkeypatch.setattr(setup, "overhear", lambda _: None)
    assert setup.configure({setup.CONNECTION: "InstrumentationKey=x"})
    assert options["sampling_ratio"] == 1.0
    assert options["instrumentation_options"]["azure_sdk"] == {"enabled": False}


def test_what_another_library_warns_of_arrives_from_an_app_that_started(tmp_path: Path) -> None:
    code = (
        "import function_app, logging; from cloud.telemetry import setup; "
        "logging.getLogger('azure.x').critical('no');"
        " logging.getLogger('rekey.x').critical('once'); setup.flush_now()"
    )
    arrived, stderr, _ = start(tmp_path, GOOD, code)
    assert sorted(arrived) == ["no", "once"], stderr


def test_an_app_in_order_starts_and_says_nothing(tmp_path: Path) -> None:
    arrived, stderr, code = start(tmp_path, GOOD, "import function_app; os._exit(0)")
    assert (arrived, code) == ([], 0), stderr


def test_without_application_insights_the_problems_are_on_stderr_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ConfigError):
        startup.begin({"REKEY_VAULTS": "prod"})
    assert "rekey: the app cannot start: REKEY_VAULTS" in capsys.readouterr().err


def test_the_text_of_a_strangers_error_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="value"), startup.reported("the app cannot be built"):
        raise ValueError("a value may be in here")
    shown = capsys.readouterr().err
    assert "a value" not in shown
    assert "ValueError in" in shown


@pytest.mark.parametrize(
    ("version", "old"), [("1.1.1", True), ("1.2.9", True), ("1.3.0", False), ("2.0.0", False)]
)
def test_an_older_worker_library_than_the_tested_one_is_named_with_its_fix(
    version: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, *, old: bool
) -> None:
    library = ModuleType(startup.WORKER)
    vars(library)["version"] = SimpleNamespace(VERSION=version)
    monkeypatch.setitem(sys.modules, startup.WORKER, library)
    startup.begin(GOOD)
    messages = [message for message in caplog.messages if "remoteBuild=true" in message]
    assert any(version in message for message in messages) is old


def test_the_worker_library_that_is_locked_is_the_tested_one() -> None:
    requirements = (ROOT / "requirements.txt").read_text()
    locked = re.search(r"azure-functions-runtime==(\d+)\.(\d+)", requirements)
    assert locked
    assert (int(locked[1]), int(locked[2])) == startup.TESTED


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("", True),
        ("https://wiki.example/our runbook#rekey", True),
        ("docs/runbook.md", False),
        ("javascript:alert(1)", False),
    ],
)
def test_a_runbook_that_no_page_can_link_to_is_logged_and_the_app_starts(
    address: str, caplog: pytest.LogCaptureFixture, *, fine: bool
) -> None:
    assert startup.begin({**GOOD, "REKEY_RUNBOOK": address}).scopes
    lines = [record.getMessage() for record in caplog.records if record.name == "rekey.start"]
    assert [address in line and "Fix: " in line for line in lines] == ([] if fine else [True])
