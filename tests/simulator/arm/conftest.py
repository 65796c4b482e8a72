"""A SQL server in process, as the tests of its passwords have it."""

from tests.cloud.sql.conftest import rig

__all__ = ["rig"]
