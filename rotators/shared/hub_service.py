"""SignalR and Web PubSub: their keys sign a token for one URL. A change goes on after its answer.

Asked is whether a connection exists that nobody has: the service's own 404 says that the token was
good. `Salt` is no key, and to regenerate it would end every connection. Sources: Microsoft's client
azure-messaging-webpubsubservice, https://github.com/Azure/azure-signalr/issues/1912 (the header of
that 404), and
https://learn.microsoft.com/azure/azure-signalr/signalr-reference-data-plane-rest-api.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import ClassVar

from cloud.rest.data_plane import Answer, Signed
from rotators.shared.key_facts import Facts, KeyPlace
from rotators.shared.key_proof import ProvenByRequest
from rotators.shared.key_signing import bearer_token

ERROR_CODE = "x-ms-error-code"
"""The header of a refusal that the service wrote itself."""
HUB_SHAPE = re.compile(r"[A-Za-z0-9+/=]{40,128}")


def hub_facts(noun: str, type_: str, version: str) -> Facts:
    """Return the facts of one service with hubs, at this version of its Resource Manager API."""
    return Facts(
        noun=noun,
        types=(type_,),
        version=version,
        names_it="keyType",
        shape=HUB_SHAPE,
        address="hostName",
    )


class HubService(ProvenByRequest):
    """Rotates the keys of a service with hubs."""

    lists_first: ClassVar[bool] = True
    asked: ClassVar[str]
    """The version of the interface at which a key is proven."""
    signs_query: ClassVar[bool]
    """A token is for the whole URL, and not for the URL without its query."""

    def proves(self, answer: Answer) -> bool:
        """Return whether the service, and nothing in between, knows of no such connection."""
        return answer.status == HTTPStatus.NOT_FOUND and ERROR_CODE in answer.headers

    async def signed(self, place: KeyPlace, host: str, key: str) -> Signed:
        """Ask for a connection that nobody has."""
        del place
        path = f"https://{host}/api/hubs/rekey/connections/none"
        url = f"{path}?api-version={self.asked}"
        token = bearer_token(url if self.signs_query else path, key, self._clock.now())
        return Signed(url, {"Authorization": f"Bearer {token}"}, "HEAD")
