"""Setting the administrator's password of a SQL server through Resource Manager."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cloud.azure import CHANGING, Azure
from engine.errors import RekeyError
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.long_change import POLLING, LongChange
from rotators.shared.sql_names import SqlPlace
from rotators.shared.sql_server import ROLE, SqlAccess, entra_only

if TYPE_CHECKING:
    from azure.core.rest import AsyncHttpResponse

ENTRA_ONLY_CODE = "AadOnlyAuthenticationIsEnabled"
PASSING = frozenset(
    {
        *(
            "OperationInterrupted",
            "OperationCancelled",
            "ConflictingServerOperation",
            "InternalServerError",
        ),
        *("UpsertLogicalServerRequestAlreadyInProgress", "OperationTimedOut"),
    }
)


class PasswordChange(LongChange[SqlPlace]):
    """Sets the administrator's password."""

    passing = PASSING
    role = ROLE

    def __init__(self, azure: Azure, access: SqlAccess, clock: Clock) -> None:
        super().__init__(azure.arm_endpoint, clock)
        self._access = access

    async def _request(self, place: SqlPlace, user: str, password: Sensitive) -> AsyncHttpResponse:
        answers: list[Any] = []
        # The name changes nothing: a server whose administrator has another one refuses the
        # request.
        properties = {"administratorLogin": user, "administratorLoginPassword": password.reveal()}
        await self._access.management(place).servers.begin_update(
            place.group,
            place.server,
            {"properties": properties},
            polling=False,
            raw_response_hook=answers.append,
            **CHANGING,
        )
        response: AsyncHttpResponse = answers[-1].http_response
        return response

    async def _get(self, place: SqlPlace, url: str) -> AsyncHttpResponse:
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        response = await self._access.management(place).send_request(
            HttpRequest("GET", url), **POLLING
        )
        if response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            raise HttpResponseError(response=response)
        return response

    def _explained(self, code: str, place: SqlPlace) -> RekeyError | None:
        return entra_only(place) if code == ENTRA_ONLY_CODE else None
