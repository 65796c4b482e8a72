"""The drivers of every engine, by its name. None is loaded before its first call."""

from __future__ import annotations

from collections.abc import Mapping

from cloud.databases.mysql import MySqlServers
from cloud.databases.postgresql import PostgresServers
from cloud.databases.servers import DatabaseServers


def drivers() -> Mapping[str, DatabaseServers]:
    """Return a client for each engine."""
    return {"postgresql": PostgresServers(), "mysql": MySqlServers()}
