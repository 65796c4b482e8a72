"""What other libraries warn of arrives in Application Insights once, and without a credential."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator

import pytest
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from cloud.telemetry import setup as telemetry
from cloud.telemetry.scrubbing import ForeignFilter, scrubbed
from rotators.shared.sql_passwords import fresh_password

KEY = "Pk35WqTESZ4E3Caz/LzKsNO2zVMl6bZTI0Od5rrkgk43f1S/b6RMDvp96ph1lXc1786p14tctNLdkWNsyFQQ7=="
JWT = "eyJ0eXAiOiJKV1QifQ.eyJhdWQiOiJodHRwczovL2V2ZW50.5MUWejlCsvaE-Hw9ButVcUXtecThhd"


@pytest.fixture
def heard() -> Iterator[InMemoryLogRecordExporter]:
    """Listen as in production: to `rekey` at INFO, and to everything else at WARNING."""
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    root, own = logging.getLogger(), logging.getLogger("rekey")
    before = root.handlers[:]
    telemetry.overhear(root)
    for handler in set(root.handlers) - set(before):
        assert isinstance(handler, LoggingHandler)
        handler._logger_provider = provider
    handler = LoggingHandler(logger_provider=provider)
    own.addHandler(handler)
    yield exporter
    own.removeHandler(handler)
    root.handlers[:] = before


def bodies(exporter: InMemoryLogRecordExporter) -> list[str]:
    return [str(log.log_record.body) for log in exporter.get_finished_logs()]


def test_any_loggers_warning_arrives_and_less_does_not(heard: InMemoryLogRecordExporter) -> None:
    for name in ("azure.identity", "asyncio", "azure_functions_runtime", ""):
        logging.getLogger(name).warning("%s said so", name or "root")
        logging.getLogger(name).info("chatter")
    assert bodies(heard) == [
        f"{name} said so"
        for name in ("azure.identity", "asyncio", "azure_functions_runtime", "root")
    ]


@pytest.mark.parametrize("name", ["rekey", "rekey.audit"])
def test_the_apps_own_records_arrive_once(name: str, heard: InMemoryLogRecordExporter) -> None:
    logging.getLogger(name).warning("once")
    assert bodies(heard) == ["once"]


def test_what_the_exporter_warns_of_is_not_sent_by_itself(heard: InMemoryLogRecordExporter) -> None:
    for name in ("azure.monitor.opentelemetry.exporter", "opentelemetry.sdk", "rekeying"):
        logging.getLogger(name).warning("said by %s", name)
    assert bodies(heard) == ["said by rekeying"], "its name only begins alike"


async def test_what_nobody_awaits_arrives_by_its_class(heard: InMemoryLogRecordExporter) -> None:
    async def fail() -> None:
        raise ValueError(KEY)

    task = asyncio.ensure_future(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()
    assert bodies(heard) == ["Task exception was never retrieved (ValueError)"]
    assert KEY not in repr([log.to_json() for log in heard.get_finished_logs()])


@pytest.mark.parametrize(
    "text",
    [
        f"the key is {KEY}",
        f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={KEY};EndpointSuffix=x",
        f"Authorization: Bearer {JWT}",
        f"token {JWT} refused",
        f"GET https://a.blob.core.windows.net/c/b?sv=2024&sig={KEY} failed",
        f"{{'password': '{KEY}'}}",
        f"first line\n{KEY}",
        KEY,
    ],
)
def test_a_planted_credential_is_hidden(text: str) -> None:
    shown = scrubbed(text)
    assert KEY not in shown
    assert JWT not in shown
    assert not [part for part in KEY.split("/") if len(part) > 12 and part in shown]


def test_a_password_with_its_name_is_hidden_whatever_it_holds() -> None:
    for _ in range(200):
        password = fresh_password("shopadmin").reveal()
        assert password not in scrubbed(f"login failed, password={password}")


@pytest.mark.parametrize(
    "text",
    [
        "ManagedIdentityCredential.get_token failed: no managed identity endpoint found",
        "/subscriptions/0B6D3c1e-7a4f-4c55-9a51-2f6f5d1c8e90/resourceGroups/Data/providers/Microsoft.Storage/x failed",
        "https://prod.vault.azure.net/secrets/App-Key2 answered 503",
        "request 0b6d3c1e-7a4f-4c55-9a51-2f6f5d1c8e90 was slow",
        "Unclosed client session",
    ],
)
def test_what_is_no_credential_stays_readable(text: str) -> None:
    assert scrubbed(text) == text


def test_a_record_with_wrong_arguments_arrives_all_the_same_but_no_extra_field_of_it() -> None:
    record = logging.LogRecord("x", logging.WARNING, "", 1, "%d apples", ("no number",), None)
    record.password = KEY
    sent = ForeignFilter().filter(record)
    assert isinstance(sent, logging.LogRecord)
    assert sent.getMessage() == "%d apples"
    assert KEY not in repr(vars(sent))
