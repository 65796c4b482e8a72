"""The next time of a timer's schedule: NCRONTAB with six fields, in UTC, validated by settings.py.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
NAMES = {
    4: ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    5: ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}
YEAR = timedelta(days=366)


def next_time(schedule: str, after: datetime) -> datetime:
    """Return the first time of the schedule after `after`, or a year later if none is sooner."""
    seconds, minutes, hours, days, months, weekdays = (
        _values(place, text) for place, text in enumerate(schedule.split())
    )
    start = after.astimezone(UTC)
    for offset in range(YEAR.days):
        day = start.date() + timedelta(days=offset)
        if day.day in days and day.month in months and day.isoweekday() % 7 in weekdays:
            for hour, minute, second in product(sorted(hours), sorted(minutes), sorted(seconds)):
                moment = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)
                if moment > start:
                    return moment
    return start + YEAR


def _values(place: int, text: str) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        low, high = RANGES[place]
        if first != "*":
            low = _number(place, first)
            high = _number(place, last) if last else high if step else low
        values |= set(range(low, high + 1, int(step or 1)))
    return values


def _number(place: int, text: str) -> int:
    if text.isdigit():
        return int(text)
    return NAMES[place].index(text.lower()) + RANGES[place][0]
