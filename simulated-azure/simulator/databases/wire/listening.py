"""Every database server and cache of a world on a port of its own.

Its host becomes `localhost`, since loops and drivers that resolve names natively know no other
name of this machine.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from simulator.databases.wire import mysql, postgresql, redis
from simulator.reach.listeners import Listeners

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from simulator.databases.gateway import DatabaseGateway
    from simulator.world import World

HOST = "localhost"
PROTOCOLS = {"postgresql": postgresql.converse, "mysql": mysql.converse}


@contextlib.contextmanager
def listening(world: World, tls: ssl.SSLContext) -> Iterator[None]:
    """Serve what the world has now, during the context."""
    listeners = Listeners("simulated-database", tls)
    try:
        _open_caches(world, listeners)
        _open_servers(world, listeners)
        yield
    finally:
        listeners.stop()


def _open_caches(world: World, listeners: Listeners) -> None:
    for account in world.keyed.values():
        if account.contract.port:
            port = listeners.open(partial(redis.converse, world, account, listeners))
            account.host, account.contract = HOST, replace(account.contract, port=port)


def _open_servers(world: World, listeners: Listeners) -> None:
    gateway: DatabaseGateway | None = getattr(world, "databases", None)
    for server in gateway.servers.values() if gateway else ():
        converse = partial(PROTOCOLS[server.engine], world, server, listeners)
        server.fqdn = f"{HOST}:{listeners.open(converse)}"
