"""NCRONTAB schedules: {second} {minute} {hour} {day} {month} {day of week}, in UTC as on Azure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from simulator.host.settings import SettingError


class Schedule:
    """When a timer is due.

    Raises:
        SettingError: the expression is not a schedule.

    """

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.after(datetime.now(UTC))

    def after(self, moment: datetime) -> datetime:
        """Return the first time after `moment`."""
        try:
            occurrences = CronSim(self.expression, moment)
            # NCrontab requires the day of the month AND the day of the week to match. Cron, if both
            # are given, requires one of them.
            occurrences.day_and = True
            return next(occurrences)
        except (CronSimError, StopIteration) as error:
            raise SettingError(
                f"{self.expression!r} is not a schedule ({error}): write second minute hour "
                "day month weekday, "
                "such as '0 0 * * * *' for every hour."
            ) from error

    def is_shorter_than_a_minute(self, now: datetime) -> bool:
        """Return whether two runs are due within the next minute; such a timer is not monitored."""
        return self.after(self.after(now)) < now + timedelta(minutes=1)
