"""Telemetry is sent when asked for, within bounds, and never at the price of the work."""

from __future__ import annotations

import logging
import threading

import pytest
from opentelemetry.metrics import NoOpMeterProvider

from cloud.telemetry.setup import flush_all


class Provider:
    """A provider that does as told when it is flushed."""

    def __init__(
        self, error: Exception | None = None, release: threading.Event | None = None
    ) -> None:
        self.error, self.release = error, release
        self.asked: list[int] = []

    def force_flush(self, timeout_millis: int) -> bool:
        """Take note of the request, and wait or fail."""
        self.asked.append(timeout_millis)
        if self.release:
            self.release.wait(30)
        if self.error:
            raise self.error
        return True


async def test_every_provider_is_flushed_and_told_how_long_it_may_take() -> None:
    providers = [Provider(), Provider(), Provider()]
    await flush_all(providers, 2.0)
    assert [provider.asked for provider in providers] == [[2000]] * 3


async def test_without_an_exporter_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    await flush_all([NoOpMeterProvider()])
    assert not caplog.records


async def test_a_provider_that_fails_is_logged_and_the_others_are_flushed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    good = Provider()
    with caplog.at_level(logging.WARNING, "rekey"):
        await flush_all([Provider(RuntimeError("https://secret.example")), good])
    assert good.asked
    assert caplog.messages == ["telemetry could not be sent: RuntimeError"]


async def test_a_provider_that_hangs_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()
    with caplog.at_level(logging.WARNING, "rekey"):
        await flush_all([Provider(release=release)], 0.01)
    release.set()
    assert caplog.messages == ["telemetry could not be sent: TimeoutError"]
