"""Play every scene with the real exporter.

Then write what arrived at the ingestion endpoint as JSON. A process of its own, since a process has
one exporter for ever. Its time is virtual: the clock is replaced before anything of OpenTelemetry
is loaded, so that spans, records and measurements have the times that the scenes want.
"""

from __future__ import annotations

import time

from simulator.clock import VirtualClock

clock = VirtualClock()
time.time_ns = lambda: round(clock.now().timestamp() * 1e9)

import asyncio  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

from cloud.telemetry import setup as telemetry  # noqa: E402
from simulator.reach.server import start_in_thread  # noqa: E402
from simulator.telemetry.service import IngestionService  # noqa: E402
from simulator.world import Domains, World  # noqa: E402
from tests.infra.alerts.scenarios import every  # noqa: E402
from tests.infra.alerts.stage import DAY, Stage  # noqa: E402

KEY = "b1f2c3d4-0000-4000-8000-5e6f7a8b9c0d"


class Ingestion(World):
    """A cloud that holds nothing but the endpoint."""

    def __init__(self, domains: Domains) -> None:
        super().__init__(clock.now, domains)
        self.service = IngestionService(self, domains.identity, KEY)
        self.services.append(self.service)


async def played(service: IngestionService) -> dict[str, Any]:
    """Play one scene after the other, each on a day of its own."""
    scenes = {}
    for name, scene in every().items():
        stage = Stage(clock)
        await scene(stage)
        await telemetry.flush()
        arrived, service.envelopes = service.envelopes, []
        scenes[name] = {
            "ended": clock.now().isoformat(),
            "envelopes": arrived,
            "imitated": [
                [table, row | {"timestamp": row["timestamp"].isoformat()}]
                for table, row in stage.imitated
            ],
            "values": sorted(stage.values),
        }
        clock.advance(DAY)
    return scenes


def main() -> None:
    """Start the endpoint and the exporter, play, write."""
    with start_in_thread(Ingestion) as cloud:
        service = cloud.world.service
        os.environ[telemetry.CONNECTION] = service.connection_string
        assert telemetry.configure(os.environ)
        logging.getLogger("rekey").setLevel(logging.INFO)
        json.dump({"scenes": asyncio.run(played(service)), "refused": service.refused}, sys.stdout)
        sys.stdout.flush()
        # The exporter's threads would go on trying after the endpoint is gone.
        os._exit(0)


if __name__ == "__main__":
    main()
