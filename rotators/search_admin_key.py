"""Admin keys of Azure AI Search.

Its query keys are made and deleted one by one, so they are of another kind. Source:
https://learn.microsoft.com/rest/api/searchmanagement/admin-keys
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import ClassVar

from cloud.rest.client import Json
from cloud.rest.data_plane import Answer, Signed
from rotators.shared.key_facts import LOWER_CASE, Facts, Keys, Place, Slot
from rotators.shared.key_proof import ProvenByRequest

REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class SearchAdminKey(ProvenByRequest):
    """Rotates the admin keys of search services."""

    kind: ClassVar[str] = "search-admin-key"
    facts: ClassVar[Facts] = Facts(
        noun="search service",
        types=("Microsoft.Search/searchServices",),
        version="2023-11-01",
        lists="listAdminKeys",
        replaces="regenerateAdminKey",
        pairs=(LOWER_CASE,),
        shape=re.compile(r"[A-Za-z0-9]{32,64}"),
        host="{name}.search.windows.net",
        address="endpoint",
    )

    def request(self, place: Place, slot: Slot, keys: Keys) -> tuple[str, Json | None]:
        """Name the key in the path."""
        del place, keys
        return f"{self.facts.replaces}/{slot.sent}", None

    async def signed(self, place: Place, host: str, key: str) -> Signed:
        """Read the service's statistics, which only an admin key may."""
        del place
        return Signed(f"https://{host}/servicestats?api-version=2024-07-01", {"api-key": key})

    def refuses(self, answer: Answer) -> bool:
        """Return whether the key is wrong, which the service calls forbidden."""
        return answer.status in REFUSED
