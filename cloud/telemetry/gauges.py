"""Gauges whose values are sent once.

OpenTelemetry's own gauge would repeat the values of one sweep every minute, from every instance,
since the exporter of Application Insights requests cumulative values. A process may create an
observable gauge only once per name, so these are created here. They send nothing until an exporter
starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Observation, get_meter

if TYPE_CHECKING:
    from engine.state.entry import SweepSummary


class OnceGauge:
    """A gauge with values by key. Later values of a key replace uncollected earlier ones."""

    def __init__(self, name: str, unit: str, description: str) -> None:
        self._fresh: dict[str, Sequence[Observation]] = {}
        get_meter("rekey").create_observable_gauge(name, [self._collect], unit, description)

    def put(self, key: str, values: Sequence[Observation]) -> None:
        """Set the values of a key."""
        self._fresh[key] = values

    def _collect(self, options: CallbackOptions) -> Iterator[Observation]:
        del options
        # The exporter's thread collects while the event loop puts: each step is one of the dict's.
        for key in list(self._fresh):
            yield from self._fresh.pop(key, ())


states = OnceGauge("rekey.secrets", "{secret}", "Secrets by state, at each sweep")
expiries = OnceGauge(
    "rekey.secret.days_to_expiry", "d", "Days until a managed secret expires, at each sweep"
)

refusals = OnceGauge(
    "rekey.leak.seconds_to_refusal", "s", "From the report of what leaked until it was refused"
)
queues = OnceGauge(
    "rekey.queue.messages", "{message}", "Messages on each of the app's queues, at each schedule"
)
dead_letters = OnceGauge(
    "rekey.dead_letters", "{blob}", "Events that could not be delivered, at each schedule"
)


def show(summary: SweepSummary) -> None:
    """Send what a sweep, or a part of it, saw.

    A state without secrets counts 0, so that charts drop to zero.
    """
    vault = summary.vault
    if not summary.goes_on:
        counts = summary.states.items()
        states.put(
            vault, [Observation(count, {"vault": vault, "state": state}) for state, count in counts]
        )
    expiries.put(
        f"{vault} {summary.seen}",
        [
            Observation(
                expiry.days, {"vault": vault, "secret": expiry.secret, "rotator": expiry.rotator}
            )
            for expiry in summary.expiries
        ],
    )


def measured(lengths: Mapping[str, int | None], undelivered: int | None) -> None:
    """Send the lengths of the queues and the number of dead letters, as far as they exist."""
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
