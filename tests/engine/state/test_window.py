"""When a window is open, and when it opens next."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.state.tag_texts import Window


def at(text: str) -> datetime:
    """Return a moment in UTC. The second of November 2026 is a Monday."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "now", "opens"),
    [
        ("Mon 09:00-10:00 UTC", "2026-11-02 08:59", "2026-11-02 09:00"),
        ("Mon 09:00-10:00 UTC", "2026-11-02 09:00", "2026-11-02 09:00"),
        ("Mon 09:00-10:00 UTC", "2026-11-02 09:59", "2026-11-02 09:59"),
        ("Mon 09:00-10:00 UTC", "2026-11-02 10:00", "2026-11-09 09:00"),
        ("* 09:00-10:00 UTC", "2026-11-02 10:00", "2026-11-03 09:00"),
        ("Sun,tue 09:00-10:00 UTC", "2026-11-02 10:00", "2026-11-03 09:00"),
        ("Tue-Thu 09:00-10:00 UTC", "2026-11-05 10:00", "2026-11-10 09:00"),
        ("Fri-Mon 09:00-10:00 UTC", "2026-11-02 10:00", "2026-11-06 09:00"),
        ("Fri-Mon 09:00-10:00 UTC", "2026-11-07 10:00", "2026-11-08 09:00"),
        ("Fri-Mon 09:00-10:00 UTC", "2026-11-08 10:00", "2026-11-09 09:00"),
        # Past midnight, the window belongs to the day on which it opened.
        ("Mon 22:00-02:00 UTC", "2026-11-03 01:59", "2026-11-03 01:59"),
        ("Mon 22:00-02:00 UTC", "2026-11-03 02:00", "2026-11-09 22:00"),
        ("Mon 22:00-02:00 UTC", "2026-11-02 01:00", "2026-11-02 22:00"),
        # Days and hours are those of the zone: in Auckland Monday begins on Sunday noon.
        ("Mon 00:00-01:00 Pacific/Auckland", "2026-11-01 10:30", "2026-11-01 11:00"),
        ("Mon 00:00-01:00 Pacific/Auckland", "2026-11-01 11:30", "2026-11-01 11:30"),
        # On 29 March clocks in Berlin go from two to three: that Sunday has no such hour.
        ("Sun 02:00-03:00 Europe/Berlin", "2026-03-29 01:00", "2026-04-05 00:00"),
        # A window that opens within it opens as it ends, and one that begins before ends there.
        ("Sun 02:30-03:30 Europe/Berlin", "2026-03-29 00:59", "2026-03-29 01:00"),
        ("Sun 02:30-03:15 Europe/Berlin", "2026-03-29 01:14", "2026-03-29 01:14"),
        ("Sun 02:30-03:15 Europe/Berlin", "2026-03-29 01:15", "2026-04-05 00:30"),
        ("Sun 01:30-02:30 Europe/Berlin", "2026-03-29 01:00", "2026-04-04 23:30"),
        ("Sun 02:15-02:45 Europe/Berlin", "2026-03-23 12:00", "2026-04-05 00:15"),
        # On 25 October they go back.
        ("Sun 05:00-06:00 Europe/Berlin", "2026-10-25 03:59", "2026-10-25 04:00"),
        ("Sat 05:00-06:00 Europe/Berlin", "2026-10-24 00:00", "2026-10-24 03:00"),
    ],
)
def test_a_window_opens_at_its_minute_on_its_days_in_its_zone(
    window: str, now: str, opens: str
) -> None:
    assert Window.parse(window).next_open(at(now)) == at(opens)


@pytest.mark.parametrize(
    "text",
    [
        "", "Mon", "Someday 01:00-02:00 UTC", "Mon-Someday 01:00-02:00 UTC", "Mon 25:00-26:00 UTC",
        "Mon 01:00-01:00 UTC", "Mon 01:00-02:00 Mars/Base", "Mon 01:00-02:00 Europe",
        "Mon 01:00-02:00 UTC and more", "Mon 01:00-02:00 Europe/Berlin/Mitte",
        f"Mon 01:00-02:00 {'A' * 300}", "Mon- 01:00-02:00 UTC",
    ],
)  # fmt: skip
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Window.parse(text)
