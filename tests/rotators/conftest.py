"""What the tests of SQL passwords share with those of the driver."""

from tests.cloud.sql.conftest import grammar, rig

__all__ = ["grammar", "rig"]
