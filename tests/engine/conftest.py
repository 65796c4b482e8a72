"""What the engine's tests share with those of telemetry."""

from tests.cloud.conftest import sent

__all__ = ["sent"]
