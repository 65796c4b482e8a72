"""Gauges whose values are sent once: what one sweep saw must not be repeated every minute, by every instance, for ever.

OpenTelemetry's own gauge would do that, since Application Insights' exporter asks for cumulative
values of it. And it takes
one observable gauge of a name a process, so these are made here, once; they send nothing until an
exporter is started.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Observation, get_meter

if TYPE_CHECKING:
    from engine.model.tally import Tally


class OnceGauge:
    """A gauge that is told values by key; a key's later values replace its earlier ones until they are collected."""

    def __init__(self, name: str, unit: str, description: str) -> None:
        self._fresh: dict[str, Sequence[Observation]] = {}
        get_meter("rekey").create_observable_gauge(name, [self._collect], unit, description)

    def put(self, key: str, values: Sequence[Observation]) -> None:
        """Take values in."""
        self._fresh[key] = values

    def _collect(self, options: CallbackOptions) -> Iterator[Observation]:
        del options
        fresh, self._fresh = self._fresh, {}
        for values in fresh.values():
            yield from values


states = OnceGauge("rekey.secrets", "{secret}", "Secrets by state, at each sweep")
expiries = OnceGauge(
    "rekey.secret.days_to_expiry", "d", "Days until a managed secret expires, at each sweep"
)


queues = OnceGauge(
    "rekey.queue.messages", "{message}", "Messages on each of the app's queues, at each schedule"
)
dead_letters = OnceGauge(
    "rekey.dead_letters", "{blob}", "Events that could not be delivered, at each schedule"
)


def show(tally: Tally) -> None:
    """Send what one sweep saw, or one part of it. A state that no secret is in counts 0, so that a chart drops."""
    vault = tally.vault
    if not tally.goes_on:
        counts = tally.states.items()
        states.put(
            vault, [Observation(count, {"vault": vault, "state": state}) for state, count in counts]
        )
    expiries.put(
        f"{vault} {tally.seen}",
        [
            Observation(each.days, {"vault": vault, "secret": each.secret, "rotator": each.rotator})
            for each in tally.expiries
        ],
    )


def measured(lengths: Mapping[str, int | None], undelivered: int | None) -> None:
    """Send how much waits on the queues and among the dead letters; nothing of what does not exist."""
    queues.put(
        "",
        [
            Observation(count, {"queue": name})
            for name, count in lengths.items()
            if count is not None
        ],
    )
    if undelivered is not None:
        dead_letters.put("", [Observation(undelivered)])
