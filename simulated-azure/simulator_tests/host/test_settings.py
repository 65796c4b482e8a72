"""host.json, app settings, schedules and polling options by themselves."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simulator.host.queue_options import Backoff, QueueOptions
from simulator.host.schedule import Schedule
from simulator.host.settings import (
    HostFile,
    SettingError,
    load_local_settings,
    parse_timespan,
    resolve,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("00:00:00", timedelta()),
        ("01:02:03", timedelta(hours=1, minutes=2, seconds=3)),
        ("7.00:00:00", timedelta(days=7)),
        ("00:00:00.100", timedelta(milliseconds=100)),
        ("00:00:00.1234567", timedelta(microseconds=123456)),
    ],
)
def test_a_time_span_is_read_as_dotnet_writes_it(text: str, value: timedelta) -> None:
    assert parse_timespan(text) == value


@pytest.mark.parametrize("text", ["", "5", "00:00", "a:00:00", "00:00:5"])
def test_a_time_span_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="is not a time span"):
        parse_timespan(text)


def test_names_in_percent_signs_are_replaced_by_app_settings() -> None:
    assert resolve("a-%X%-%Y%", {"X": "1", "Y": "2"}) == "a-1-2"


def test_a_name_without_a_value_is_an_error_that_says_what_to_add() -> None:
    with pytest.raises(SettingError, match="add the app setting NOPE"):
        resolve("%NOPE%", {})


def test_local_settings_join_the_environment_which_wins(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text(
        json.dumps({"Values": {"A": "file", "B": "file"}})
    )
    environ = {"A": "environment"}
    load_local_settings(tmp_path, environ)
    assert environ == {"A": "environment", "B": "file"}


def test_the_environment_overrides_host_json_whatever_the_case_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text(
        '{"extensions": {"queues": {"batchSize": 1, "maxDequeueCount": 2}}}'
    )
    name = "AzureFunctionsJobHost__Extensions__queues__BATCHSIZE"
    options = QueueOptions.read(HostFile.read(tmp_path, {name: "7"}))
    assert (options.batch_size, options.max_dequeue_count) == (7, 2)


def test_without_host_json_the_options_are_microsofts_defaults(tmp_path: Path) -> None:
    options = QueueOptions.read(HostFile.read(tmp_path, {}))
    assert (options.batch_size, options.max_dequeue_count, options.visibility_timeout) == (16, 5, 0)
    assert options.new_batch_threshold == 8 * (os.cpu_count() or 1)
    assert options.longest_poll == 60
    assert options.is_base64


def test_an_empty_queue_is_polled_less_and_less_up_to_the_longest_interval_and_a_message_starts_over() -> (
    None
):
    backoff = Backoff(2)
    waits = [backoff.next() for _ in range(12)]
    assert waits[0] == pytest.approx(0.1)
    assert waits[1] < waits[3] < waits[5]
    assert waits[-1] == 2
    backoff.reset()
    assert backoff.next() == pytest.approx(0.1)


AT = datetime(2026, 11, 24, 16, 30, 30, tzinfo=UTC)  # a Tuesday


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("0 0 * * * *", datetime(2026, 11, 24, 17, tzinfo=UTC)),
        ("0 */5 * * * *", datetime(2026, 11, 24, 16, 35, tzinfo=UTC)),
        ("30 30 16 * * *", datetime(2026, 11, 25, 16, 30, 30, tzinfo=UTC)),
        ("0 0 2 * * MON-FRI", datetime(2026, 11, 25, 2, tzinfo=UTC)),
        ("0 0 0 1 * *", datetime(2026, 12, 1, tzinfo=UTC)),
        # Both the 13th and a Friday, where cron would take either.
        ("0 0 0 13 * FRI", datetime(2027, 8, 13, tzinfo=UTC)),
        ("0 * * * *", datetime(2026, 11, 24, 17, tzinfo=UTC)),
    ],
)
def test_a_schedule_is_due_when_ncrontab_says_so(expression: str, due: datetime) -> None:
    assert Schedule(expression).after(AT) == due


@pytest.mark.parametrize("expression", ["", "hourly", "0 0 0 0 0 0", "60 * * * * *", "* * *"])
def test_what_is_no_schedule_is_refused_with_an_example(expression: str) -> None:
    with pytest.raises(SettingError, match="write second minute hour day month weekday"):
        Schedule(expression)


@pytest.mark.parametrize(
    ("expression", "shorter"), [("*/30 * * * * *", True), ("0 * * * * *", False)]
)
def test_a_schedule_shorter_than_a_minute_is_recognised(expression: str, *, shorter: bool) -> None:
    assert Schedule(expression).is_shorter_than_a_minute(AT + timedelta(milliseconds=1)) is shorter


def test_sections_of_one_name_join_while_values_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"a": {"x": 1}, "A": {"y": 2}}')
    assert HostFile.read(tmp_path, {}).content == {"a": {"x": 1, "y": 2}}
    (tmp_path / "host.json").write_text('{"a": {"x": 1}, "A": {"X": 2}}')
    with pytest.raises(SettingError, match="duplicate key 'X'"):
        HostFile.read(tmp_path, {})
