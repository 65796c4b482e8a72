"""The next time of a timer's schedule: NCRONTAB with six fields, in UTC, validated by settings.py.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

YEAR = timedelta(days=366)
ANY_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
"""A day from which schedules are tried out: always the same, so that none is refused by chance."""


def comes_within_a_year(schedule: str) -> bool:
    """Return whether a schedule has a time in a usual year: not 31 February, nor from 5 to 1."""
    return next_time(schedule, ANY_YEAR) < ANY_YEAR + YEAR


def next_time(schedule: str, after: datetime) -> datetime:
    """Return the first time of the schedule after a time in UTC; a year later if there is none."""
    try:
        times = CronSim(schedule, after)
        # Cron asks for the day of the month or that of the week, and has a second Sunday, 7.
        times.day_and = True
        times.weekdays.discard(7)
        return next(times)
    except (CronSimError, StopIteration):
        return after + YEAR
