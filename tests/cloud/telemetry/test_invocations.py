"""Every call ends as an ordinary exception, logged; its telemetry is sent within bounds."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from opentelemetry.metrics import NoOpMeterProvider

from cloud.telemetry import invocations, setup
from cloud.telemetry.invocations import Invocations
from cloud.telemetry.setup import flush_all
from engine.errors import AccessDenied, TransientError


class Flushes:
    """Counts how often telemetry was sent."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> bool:
        self.count += 1
        return True


async def test_a_call_that_hangs_is_ended_and_comes_back() -> None:
    with pytest.raises(TransientError, match="rotate did not finish within"):
        async with Invocations(0.01, Flushes()).run("rotate"):
            await asyncio.Event().wait()


@pytest.mark.parametrize("end", [asyncio.CancelledError, SystemExit, KeyboardInterrupt])
async def test_what_would_never_be_answered_becomes_an_exception(end: type[BaseException]) -> None:
    with pytest.raises(TransientError, match=end.__name__):
        async with Invocations(60, Flushes()).run("rotate"):
            raise end


async def test_a_cancelled_task_inside_a_call_does_not_cancel_the_call() -> None:
    async def waits() -> None:
        await asyncio.Event().wait()

    task = asyncio.ensure_future(waits())
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(TransientError):
        async with Invocations(60, Flushes()).run("rotate"):
            await task


async def test_a_failure_is_logged_under_rekey_and_raised(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AccessDenied):
        async with Invocations(60, Flushes()).run("sweep_vault"):
            raise AccessDenied("listing was answered 403", fix="grant it the role Reader")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("rekey", logging.ERROR)
    assert (
        record.message
        == "sweep_vault failed: listing was answered 403. Fix: grant it the role Reader"
    )


async def test_a_strangers_error_logs_class_and_place(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="value"):
        async with Invocations(60, Flushes()).run("rotate"):
            raise ValueError("a value may be in here")
    assert "a value" not in caplog.text
    assert "rotate failed: ValueError at " in caplog.text
    assert "test_invocations.py:" in caplog.text


@pytest.mark.parametrize("one_by_one", [False, True])
async def test_when_the_app_has_nothing_left_to_do_telemetry_is_sent_once(
    one_by_one: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls that come one by one do not each send, nor one while another runs."""
    monkeypatch.setattr(invocations, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(invocations, "AGAIN_SECONDS", 3600.0)
    flush = Flushes()
    calls = Invocations(60, flush)
    for number in range(5):
        async with calls.run("rotate"):
            await asyncio.sleep(0.01 if number == 1 else 0)
            assert number == 0 or flush.count == (1 if one_by_one else 0)
        await asyncio.sleep(0.01 if one_by_one else 0)
    await asyncio.sleep(0.01)
    assert flush.count == 1


def test_no_thread_is_started_beside_one_that_still_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging, sent = threading.Event(), threading.Semaphore(0)
    started: list[str] = []

    def slow(_: int) -> None:
        started.append(threading.current_thread().name)
        hanging.wait(30)
        sent.release()

    monkeypatch.setattr(setup, "_flushes", lambda: [slow])
    assert [setup.flush_aside() for _ in range(5)] == [True, False, False, False, False]
    hanging.set()
    assert sent.acquire(timeout=30)
    assert started == ["rekey-flush"]


def test_a_thread_that_cannot_be_started_keeps_no_later_one_from_sending(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent = threading.Semaphore(0)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(setup, "_flushes", lambda: [lambda _: sent.release()])
    with monkeypatch.context() as exhausted:
        exhausted.setattr(threading.Thread, "start", refuse)
        assert [setup.flush_aside() for _ in range(2)] == [False, False]
    assert caplog.messages == ["telemetry could not be sent: RuntimeError"] * 2
    assert setup.flush_aside()
    assert sent.acquire(timeout=30)


def test_without_an_exporter_there_is_nothing_to_come_back_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(setup, "_flushes", list)
    assert setup.flush_aside()


async def test_what_comes_while_an_earlier_flush_still_sends_is_flushed_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(invocations, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(invocations, "AGAIN_SECONDS", 0.01)
    answers, done = iter([True, False, False, True]), asyncio.Event()
    flushed: list[bool] = []

    def flush() -> bool:
        flushed.append(next(answers))
        if len(flushed) == 4:
            done.set()
        return flushed[-1]

    calls = Invocations(60, flush)
    for _ in range(2):
        async with calls.run("rotate"):
            pass
        await asyncio.sleep(0.005)
    async with asyncio.timeout(30):
        await done.wait()
    await asyncio.sleep(0.05)
    assert flushed == [True, False, False, True]


async def test_a_busy_app_sends_now_and_then_and_not_after_each_call() -> None:
    flush = Flushes()
    calls = Invocations(60, flush)
    async with calls.run("sweep_vault"):
        for _ in range(50):
            async with calls.run("rotate"):
                pass
    assert flush.count == 1


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
