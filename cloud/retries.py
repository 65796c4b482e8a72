"""The SDKs' own retries, which wait a few seconds at most. Imports azure-core: import it when first used.

An SDK sleeps for as long as Retry-After says, under a lease or in a bounded call. A longer pause is
left to the queue:
`cloud.azure.translate` hands it on, and `engine.service` puts the message off.
"""

from __future__ import annotations

from typing import Any

from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import AsyncRetryPolicy

LONGEST_PAUSE = 5.0
"""The longest Retry-After, in seconds, that is waited for inside a call."""


class ShortRetries(AsyncRetryPolicy[Any, Any]):
    """Retries as azure-core does, unless the service asks for a long pause. Each call says how often."""

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """Return whether the call is to be sent again from here."""
        asked = self.get_retry_after(response)
        return (asked is None or asked <= LONGEST_PAUSE) and super().is_retry(settings, response)
