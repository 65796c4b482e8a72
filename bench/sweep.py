"""How much CPU a sweep takes for one secret, without the calls of its ports."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from bench.goals import held
from engine.secret import SecretRef, Version
from engine.state.index import Listed
from engine.state.sweep_order import SweepOrder
from tests.shared.rig import Rig

SECRETS, PAGE, RUNS = 5000, 25, 5
GOAL = 0.12
"""Milliseconds of CPU a secret."""


@dataclass(frozen=True)
class Shown:
    """Ports that show a vault of secrets with their records, and pass everything else on."""

    behind: Any
    secrets: list[Version]
    records: list[Listed]

    async def page(self, _: str, token: str | None) -> tuple[list[Version], str | None]:
        """Return one page of the vault."""
        begin = int(token or 0)
        end = begin + PAGE
        return self.secrets[begin:end], str(end) if end < len(self.secrets) else None

    async def index(self) -> AsyncIterator[Listed]:
        """Yield all records."""
        for listed in self.records:
            yield listed

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)


async def report() -> None:
    """Measure sweeps of secrets that have been rotated once and are not due."""
    rig = Rig()
    rig.secret("key-0", rig.account("account0"))
    service, item = rig.service(), rig.item("key-0")
    engine = service.engine
    await engine.handle(item)
    secret = await engine.vaults.read(item.ref)
    (listed,) = [listed async for listed in engine.leases.index()]
    secrets, records = [], []
    for number in range(SECRETS):
        ref, source = SecretRef(item.ref.vault, f"key-{number}"), f"{listed.source[:-1]}{number}"
        tags = {**secret.tags, "ProviderAddress": source}
        secrets.append(replace(secret.bare, ref=ref, tags=tags, version=None))
        records.append(replace(listed, owner=str(ref).lower(), source=source))
    engine = replace(
        engine,
        vaults=Shown(engine.vaults, secrets, records),
        leases=Shown(engine.leases, secrets, records),
    )
    service = replace(service, engine=engine, policies=engine.policy)
    now, hour = engine.clock.now(), timedelta(hours=1)
    order = SweepOrder(item.ref.vault, now - hour, now, hour).to_json()
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        await service.sweep_vault(order)
        times.append((time.process_time() - started) / SECRETS * 1000)
    print(
        f"a sweep of {SECRETS:,} secrets, none due: {min(times):.3f} ms of CPU a secret, the best"
        f" of {RUNS} {held('a sweep, CPU of a secret', min(times), GOAL, ' ms')}"
    )
