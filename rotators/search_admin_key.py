"""Admin keys of Azure AI Search.

Its query keys are made and deleted one by one, so they are of another kind. A firewall answers as a
wrong key is answered, "a generic 403 Forbidden response". Sources:
https://learn.microsoft.com/rest/api/searchmanagement/admin-keys and
https://learn.microsoft.com/azure/search/service-configure-firewall
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import ClassVar

from cloud.rest.client import Json
from cloud.rest.data_plane import Answer, Signed
from engine.errors import AccessDenied, RekeyError, VerificationFailed
from engine.secret import Sensitive
from rotators.shared.key_facts import LOWER_CASE, Facts, KeyPlace, Keys, Slot
from rotators.shared.key_proof import ProvenByRequest

REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class SearchAdminKey(ProvenByRequest):
    """Rotates the admin keys of search services."""

    kind: ClassVar[str] = "search-admin-key"
    facts: ClassVar[Facts] = Facts(
        noun="search service",
        types=("Microsoft.Search/searchServices",),
        version="2025-05-01",
        lists="listAdminKeys",
        replaces="regenerateAdminKey",
        pairs=(LOWER_CASE,),
        shape=re.compile(r"[A-Za-z0-9]{32,64}"),
        host="{name}.search.windows.net",
        address="endpoint",
    )

    def request(self, place: KeyPlace, slot: Slot, keys: Keys) -> tuple[str, Json | None]:
        """Name the key in the path."""
        del place, keys
        return f"{self.facts.replaces}/{slot.sent}", None

    async def prove(self, place: KeyPlace, key: Sensitive) -> RekeyError | None:
        """Try the key. Where it is one of the service's own, the other one must get in instead."""
        problem = await super().prove(place, key)
        if not isinstance(problem, VerificationFailed):
            return problem
        own = [listed.value for listed in (await self.listed(place)).values()]
        others = [other for other in own if other != key]
        if key not in own or any([await super().prove(place, other) is None for other in others]):
            return problem
        refused = AccessDenied(
            "the search service refuses every key of its own: its firewall refuses the app, perhaps",
            where=place.source,
            fix="let the app's network reach the service (IP rule or private endpoint)",
        )
        return await self.explained(place, refused)

    async def signed(self, place: KeyPlace, host: str, key: str) -> Signed:
        """Read the service's statistics, which only an admin key may."""
        del place
        return Signed(f"https://{host}/servicestats?api-version=2024-07-01", {"api-key": key})

    def refuses(self, answer: Answer) -> bool:
        """Return whether the key is wrong, which the service calls forbidden."""
        return answer.status in REFUSED
