"""Simulated database servers on loopback, called by the product's own drivers.

They answer as the stand-in within the process does, which real servers are held against.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloud.databases.drivers import drivers
from simulator.azure import Azure
from simulator.databases.servers import EngineName
from simulator.reach.server import Background, start_in_thread
from simulator.world import Domains
from tests.simulator.test_databases_for_real import (
    ACTS,
    FIRST,
    Opening,
    Side,
    add_logins,
    simulated,
)

pytestmark = pytest.mark.usefixtures("drained")
ENGINES: tuple[EngineName, ...] = ("postgresql", "mysql")


def staged(domains: Domains) -> Azure:
    azure = Azure(domains=domains)
    for engine in ENGINES:
        for name in ("orders", "closed"):
            server = azure.databases.add_server(engine, name, "dbadmin", FIRST)
            add_logins(server)
            server.alterable = None if name == "orders" else set()
            for app in ("rekey", "low"):
                server.operators[app] = azure.add_principal(app).oid
    return azure


@pytest.fixture(scope="module")
def cloud() -> Iterator[Background[Azure]]:
    with start_in_thread(staged) as cloud:
        yield cloud


def wired(cloud: Background[Azure], engine: EngineName, name: str) -> Side:
    world = cloud.world
    audience = f"{world.databases.audience}/.default"
    tokens = {
        app: world.identities.token_for(audience, world.add_principal(app))
        for app in ("rekey", "low")
    }
    server = world.databases.servers[engine, name]
    opening = Opening(drivers()[engine], engine)
    return Side(opening, server.fqdn, {}, tokens | {"stranger": "n0 token"})


@pytest.mark.parametrize("engine", ENGINES)
async def test_drivers_get_the_answers_that_the_stand_in_gives(
    cloud: Background[Azure], engine: EngineName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(cloud.running.ca_file))
    answers = {}
    sides = {
        may_alter: (
            simulated(engine, may_alter=may_alter),
            wired(cloud, engine, "orders" if may_alter else "closed"),
        )
        for may_alter in (True, False)
    }
    for name, act in ACTS.items():
        stand_in, real = sides["without the right" not in name]
        answers[name] = (await stand_in.outcome(act), await real.outcome(act))
    assert {name: pair for name, pair in answers.items() if pair[0] != pair[1]} == {}
    assert answers["a change"] == (("", ""), ("", ""))
    assert answers["the old password"][1] == ("VerificationFailed", "Refused")
