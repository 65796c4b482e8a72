"""Every answer of Azure as one of Rekey's errors, and what is waited for."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from typing import Any

import pytest
from azure.core import AsyncPipelineClient
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline.policies import AsyncHTTPPolicy
from azure.core.rest import HttpRequest
from azure.identity import CredentialUnavailableError

from cloud.azure import NO_ANSWER, NOT_READ, call, translate
from cloud.retries import ShortRetries
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    Throttled,
    TransientError,
)
from simulator.clock import VirtualClock
from simulator.reach.transport import SimulatedTransport
from simulator.wire import Request, Response
from simulator.world import World
from tests.shared.promises import everything
from tests.shared.rig import Rig

PLANTED = "planted-value-7f3a"
KEY_VAULT_403 = (
    "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny "
    "assignments or role definitions were "
    "changed recently, please observe propagation time.\r\nCaller: "
    "appid=11112222-aaaa;oid=33334444-bbbb;iss=https://sts.windows.net/x/"
)
ARM_403 = (
    "The client '11112222-aaaa' with object id '33334444-bbbb' does not have authorization to "
    "perform action "
    "'Microsoft.Storage/storageAccounts/listKeys/action' over scope '/subscriptions/x' or the "
    "scope is invalid."
)


DELETED, IN_PROGRESS = "ObjectIsDeletedButRecoverable", "StorageAccountOperationInProgress"
DISABLED, BY_POLICY = "ReadOnlyDisabledSubscription", "RequestDisallowedByPolicy"


SECRET = "https://prod.vault.azure.net/secrets/x"
EMULATED = "http://127.0.0.1:10000/devstoreaccount1/x"


async def answered(
    status: int, body: object, headers: dict[str, str] | None = None, address: str = SECRET
) -> HttpResponseError:
    """Return the SDK's error for an answer, made from a real response to a request that holds a value."""

    async def refuse(request: Request, proceed: object) -> Response:
        del request, proceed
        text = body if isinstance(body, str) else json.dumps(body)
        return Response(
            status, {"Content-Type": "application/json", **(headers or {})}, text.encode()
        )

    transport = SimulatedTransport(World(), refuse)
    request = HttpRequest("PUT", address, json={"value": PLANTED})
    return HttpResponseError(response=await transport.send(request))


def error(code: str, message: str = "why", **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **more}}


def inner(code: str, cause: str) -> dict[str, Any]:
    """Return an error's body that names its cause as Key Vault does."""
    return error(code, innererror={"code": cause})


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (400, error("BadParameter"), PermanentError, "BadParameter"),
        (401, error("Unauthorized"), TransientError, "Unauthorized"),
        (403, inner("Forbidden", "ForbiddenByRbac"), AccessDenied, "ForbiddenByRbac"),
        (403, inner("Forbidden", "SecretDisabled"), AccessDenied, "SecretDisabled"),
        (403, error("AuthorizationFailed"), AccessDenied, "AuthorizationFailed"),
        (404, error("SecretNotFound"), NotFound, "SecretNotFound"),
        (404, error("ResourceNotFound"), NotFound, "ResourceNotFound"),
        (408, error("Timeout"), TransientError, "Timeout"),
        (409, inner("Conflict", DELETED), NeedsHuman, DELETED),
        (409, error(IN_PROGRESS), TransientError, IN_PROGRESS),
        (409, error("ScopeLocked"), NeedsHuman, "ScopeLocked"),
        (409, error(DISABLED), NeedsHuman, DISABLED),
        (403, error(BY_POLICY), NeedsHuman, BY_POLICY),
        (403, error("AccountIsDisabled"), NeedsHuman, "AccountIsDisabled"),
        (409, error("BlobArchived"), NeedsHuman, "BlobArchived"),
        (409, error("BlobImmutableDueToPolicy"), NeedsHuman, "BlobImmutableDueToPolicy"),
        (409, error("ContainerBeingDeleted"), TransientError, "ContainerBeingDeleted"),
        (409, error("QueueBeingDeleted"), TransientError, "QueueBeingDeleted"),
        (412, error("ConditionNotMet"), TransientError, "ConditionNotMet"),
        (429, error("Throttled"), Throttled, "Throttled"),
        (500, error("InternalServerError"), TransientError, "InternalServerError"),
        (502, "<html>", TransientError, "Bad Gateway"),
        (503, "", TransientError, "Service Unavailable"),
        (504, error("GatewayTimeout"), TransientError, "GatewayTimeout"),
        (418, error("Teapot"), PermanentError, "Teapot"),
        (400, "[]", PermanentError, "Bad Request"),
        (400, error("BadParameter", innererror="text"), PermanentError, "BadParameter"),
    ],
)
async def test_an_answer_says_whether_it_may_pass(
    status: int, body: object, kind: type[RekeyError], code: str
) -> None:
    where = "https://prod.vault.azure.net/secrets/x"
    translated = translate(await answered(status, body), "writing", where, "Some Role")
    assert type(translated) is kind
    assert translated.code == code
    assert translated.what.startswith(f"writing was answered {status} ")
    assert translated.where == where
    assert PLANTED not in everything(translated)


def test_a_token_is_for_the_planes_of_the_apps_own_cloud() -> None:
    azure = Rig().azure(
        arm_endpoint="https://management.usgovcloudapi.net",
        graph_endpoint="https://graph.microsoft.us",
    )
    assert azure.arm_scope == "https://management.usgovcloudapi.net/.default"
    assert azure.graph_scope == "https://graph.microsoft.us/.default"


@pytest.mark.parametrize("message", [KEY_VAULT_403, ARM_403])
async def test_a_refusal_names_whom_where_and_which_role(message: str) -> None:
    translated = translate(
        await answered(403, error("Forbidden", message)), "reading", "/scope", "Some Role"
    )
    assert "application 11112222-aaaa, object 33334444-bbbb" in translated.what
    assert "Some Role" in translated.fix
    assert "/scope" in translated.fix


async def test_a_refusal_that_names_nobody_still_says_what_to_do() -> None:
    translated = translate(await answered(403, error("Forbidden", "no")), "reading", "/scope", "")
    assert "the app's identity" in translated.what
    assert "/scope" in translated.fix


DATED = {"Date": "Wed, 21 Oct 2026 07:10:00 GMT"}
AT_28 = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "17"}, 17.0),
        ({"Retry-After": "0"}, 0.0),
        ({}, None),
        *(({"Retry-After": text}, None) for text in ("", "soon", "-5", "1.", "1e3", AT_28)),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "86401"}, 86400.0),
        ({"Retry-After": "9999999"}, 86400.0),
        ({"Retry-After": "9" * 400}, 86400.0),
        (DATED | {"Retry-After": AT_28}, 1080.0),
        (DATED | {"Retry-After": "Wed, 21 Oct 2026 09:28:00 +0200"}, 1080.0),
        (DATED | {"Retry-After": "Wed, 21 Oct 2026 07:09:00 GMT"}, 0.0),
        (DATED | {"Retry-After": "Wed, 21 Oct 2046 07:28:00 GMT"}, 86400.0),
        (DATED | {"Retry-After": "Wed, 21 Oct 2026 07:28:00 -0000"}, None),
        (DATED | {"Retry-After": "Wed, 99 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"x-ms-retry-after-ms": "9"}, 0.009),
        ({"x-ms-retry-after-ms": "2500.0"}, 2.5),
        ({"retry-after-ms": "9999999999"}, 86400.0),
        ({"Retry-After": "3", "retry-after-ms": "1500"}, 3.0),
        *(({"Retry-After": text, "retry-after-ms": "1500"}, 1.5) for text in ("soon", AT_28)),
        *(({"retry-after-ms": text}, None) for text in ("-1", "soon")),
    ],
)
async def test_the_time_that_azure_names_is_kept_whatever_its_form(
    headers: dict[str, str], seconds: float | None
) -> None:
    translated = translate(await answered(429, error("Throttled"), headers), "reading", "", "")
    assert isinstance(translated, TransientError)
    assert translated.retry_after == seconds


@pytest.mark.parametrize("status", [400, 408, 409, 412, 423, 429, 449, 500, 503])
async def test_the_time_that_azure_names_is_kept_whatever_keeps_it_from_an_answer(
    status: int,
) -> None:
    """Two changes of one resource at once are a conflict, which names a time as a throttle does."""
    answer = await answered(status, error("Whatever"), {"Retry-After": "17"})
    assert translate(answer, "changing", "there", "").retry_after == 17


async def test_a_storage_code_comes_from_its_header() -> None:
    refused = await answered(403, "")
    refused.error_code = "AuthenticationFailed"  # type: ignore[attr-defined]
    assert translate(refused, "proving", "", "").code == "AuthenticationFailed"


@pytest.mark.parametrize(
    "raised",
    [
        ServiceRequestError("Cannot connect to host"),
        ServiceResponseError("Connection aborted"),
        ServiceResponseTimeoutError("timed out"),
        ClientAuthenticationError("no managed identity endpoint found"),
        HttpResponseError("no response"),
        DecodeError("not JSON"),
        AzureError("anything"),
    ],
)
def test_no_answer_may_pass(raised: AzureError) -> None:
    translated = translate(raised, "reading", "there", "")
    assert isinstance(translated, TransientError)
    assert translated.code == NO_ANSWER
    assert type(raised).__name__ in translated.what


IDENTITY = "http://127.0.0.1:41741/msi/token"
ENTRA = "https://login.microsoftonline.com/common/oauth2/v2.0/token"
NAMED_TOKEN = "https://prod.vault.azure.net/secrets/token"


@pytest.mark.parametrize("address", [IDENTITY, ENTRA])
@pytest.mark.parametrize("status", [400, 403, 404, 410, 429, 500])
@pytest.mark.parametrize("kind", [ClientAuthenticationError, CredentialUnavailableError])
async def test_a_token_that_is_refused_is_no_answer_of_the_service(
    kind: type[ClientAuthenticationError], status: int, address: str
) -> None:
    answer = await answered(status, error("invalid"), {"Retry-After": "9"}, address)
    translated = translate(
        kind(message="no token", response=answer.response), "retiring", "there", "Some Role"
    )
    assert type(translated) is TransientError
    assert translated.code == NO_ANSWER
    assert translated.retry_after == 9
    assert "no token for the app's identity" in translated.what
    assert not translated.unsent, "a call of several steps may have sent one before"


async def test_a_service_that_refuses_a_token_is_taken_at_its_word() -> None:
    answer = await answered(401, error("Unauthorized"))
    refused = ClientAuthenticationError("refused", response=answer.response)
    assert translate(refused, "reading", "there", "").code == "Unauthorized"
    answer = await answered(401, error("Unauthorized"), address=NAMED_TOKEN)
    refused = ClientAuthenticationError("refused", response=answer.response)
    assert translate(refused, "reading", "there", "").code == "Unauthorized"
    answer = await answered(403, "", {"x-ms-error-code": "AuthorizationFailure"}, EMULATED)
    forbidden = ClientAuthenticationError("refused", response=answer.response)
    forbidden.error_code = "AuthorizationFailure"  # type: ignore[attr-defined]
    assert isinstance(translate(forbidden, "reading", "there", ""), AccessDenied)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412])
@pytest.mark.parametrize(
    "form", ["text/html; charset=utf-8", "text/plain", "application/xhtml+xml"]
)
async def test_the_page_of_a_proxy_says_nothing_about_what_was_called(
    status: int, form: str
) -> None:
    answer = await answered(status, "<html>blocked</html>", {"Content-Type": form})
    translated = translate(answer, "retiring", "there", "Some Role")
    assert type(translated) is TransientError
    assert translated.code == NOT_READ
    assert "proxy" in translated.fix


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/xml"},
        {"x-ms-error-code": "NotFound"},
        {"Content-Type": "", "x-ms-error-code": "BlobNotFound"},
    ],
)
async def test_every_form_in_which_azure_refuses_is_an_answer(headers: dict[str, str]) -> None:
    assert isinstance(translate(await answered(404, "", headers), "reading", "", ""), NotFound)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (error("NotFound"), "NotFound"),
        ({"code": "NotFound", "message": "why"}, "NotFound"),
        ({"Code": "NotFound", "Message": "Cannot find it.", "Innererror": None}, "NotFound"),
        ({"Error": {"Code": "NotFound", "InnerError": {"Code": "Gone"}}}, "Gone"),
        ({"error": {"code": 40400, "message": "why"}}, "40400"),
    ],
)
@pytest.mark.parametrize("form", ["application/json; charset=utf-8", "application/problem+json"])
async def test_what_names_a_code_in_json_is_an_answer(body: object, code: str, form: str) -> None:
    """Microsoft.Web begins names with a capital, and uses no member around them."""
    answer = await answered(404, body, {"Content-Type": form})
    translated = translate(answer, "reading", "", "")
    assert isinstance(translated, NotFound)
    assert translated.code == code


async def test_a_refusal_with_names_in_capitals_says_who_was_refused() -> None:
    answer = await answered(403, {"Code": "AuthorizationFailed", "Message": ARM_403})
    assert "application 11112222-aaaa" in translate(answer, "reading", "", "").what


@pytest.mark.parametrize(
    "body",
    [
        {"statusCode": 404, "message": "Resource not found"},
        {"message": "no Route matched with those values"},
        {"error": {"code": 404, "message": "Not Found"}},
        {"error": "not found"},
        "{}",
        "",
    ],
)
async def test_a_gateway_that_knows_no_such_route_does_not_say_that_anything_is_gone(
    body: object,
) -> None:
    translated = translate(await answered(404, body), "retiring", "there", "Some Role")
    assert type(translated) is TransientError
    assert translated.code == NOT_READ


async def test_the_error_that_comes_out_keeps_nothing_of_the_request() -> None:
    refused = await answered(400, error("BadParameter", f"the value {PLANTED[:4]}… is bad"))

    async def write() -> None:
        raise refused

    with pytest.raises(PermanentError) as caught:
        await call("writing", write(), where="there")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert PLANTED not in everything(caught.value)


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_a_success_that_cannot_be_read_may_have_taken_effect(status: int) -> None:
    translated = translate(await answered(status, "<html>"), "writing", "there", "")
    assert isinstance(translated, TransientError)
    assert translated.code == NOT_READ
    assert "proxy" in translated.fix


@pytest.mark.parametrize(
    "stumble", [AttributeError, KeyError, TypeError, UnicodeError, ValueError, zlib.error]
)
async def test_what_an_sdk_stumbles_over_may_have_taken_effect_and_is_not_passed_on(
    stumble: type[Exception],
) -> None:
    async def write() -> None:
        raise stumble(PLANTED)

    with pytest.raises(TransientError, match="nonsense") as caught:
        await call("writing", write(), where="there")
    assert caught.value.code == NOT_READ
    assert PLANTED not in everything(caught.value)


async def test_what_is_no_azure_error_comes_through_as_it_is() -> None:
    async def write() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await call("writing", write(), where="there")


async def test_what_is_gone_comes_with_the_way_out() -> None:
    translated = translate(await answered(404, error("SecretNotFound")), "reading", "there", "")
    assert translated.fix == "restore what was deleted, or correct the tags"


@pytest.mark.parametrize(("status", "code"), [(400, "BadParameter"), (409, "ScopeLocked")])
async def test_of_what_azure_says_one_line_is_passed_on_and_not_a_page(
    status: int, code: str
) -> None:
    refusal = await answered(status, error(code, "why\r\n\tnot. " * 999))
    translated = translate(refusal, "writing", "there", "")
    assert "why not. why" in translated.what
    assert len(translated.what) < 600


ISSUERS = {
    "Unauthorized": (
        "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/a/, found "
        "https://sts.windows.net/b/."
    ),
    "InvalidAuthenticationTokenTenant": (
        "The access token is from the wrong issuer 'https://sts.windows.net/b/'. It must match the "
        "tenant 'https://sts.windows.net/a/' associated with this subscription."
    ),
}
"""What a vault answers, and Resource Manager."""


@pytest.mark.parametrize("code", ISSUERS)
async def test_what_is_in_another_tenant_is_no_refused_token_that_may_pass(code: str) -> None:
    refusal = await answered(401, error(code, ISSUERS[code]))
    translated = translate(refusal, "listing", "https://prod.vault.azure.net", "R")
    assert isinstance(translated, AccessDenied)
    assert "another tenant" in translated.what
    assert "its own tenant" in translated.fix


async def test_a_key_where_an_identity_is_demanded_names_the_settings_to_change() -> None:
    refusal = await answered(403, "", {"x-ms-error-code": "KeyBasedAuthenticationNotPermitted"})
    refusal.error_code = "KeyBasedAuthenticationNotPermitted"  # type: ignore[attr-defined]
    role = "Storage Queue Data Contributor"
    translated = translate(refusal, "reading a queue", "queue sweeps", role)
    assert isinstance(translated, AccessDenied)
    assert "does not accept keys" in translated.what
    assert "AzureWebJobsStorage__credential=managedidentity" in translated.fix


@pytest.mark.parametrize("code", ["KeyBasedAuthenticationNotPermitted", "AuthenticationFailed"])
async def test_an_account_that_refuses_a_key_to_be_proven_says_nothing_of_the_apps_own(
    code: str,
) -> None:
    """Such a call has no role, and the account is not the app's."""
    refusal = await answered(403, "", {"x-ms-error-code": code})
    refusal.error_code = code  # type: ignore[attr-defined]
    translated = translate(refusal, "proving the key", "there", "")
    assert translated.code == code
    assert "AzureWebJobsStorage" not in translated.fix


async def test_a_request_that_is_malformed_is_no_refused_key() -> None:
    refusal = await answered(400, error("AuthenticationFailed"))
    assert type(translate(refusal, "reading", "here", "Some Role")) is PermanentError


async def test_a_connection_string_whose_key_is_refused_says_so_and_asks_for_no_role() -> None:
    """Somebody has renewed the account's keys. A role would not help."""
    refusal = await answered(403, "", {"x-ms-error-code": "AuthenticationFailed"})
    refusal.error_code = "AuthenticationFailed"  # type: ignore[attr-defined]
    translated = translate(refusal, "taking the lease", "here", "Storage Blob Data Owner")
    assert isinstance(translated, AccessDenied)
    assert "the key in the connection string is refused" in translated.what
    assert "Storage Blob Data Owner" not in translated.fix
    assert "AzureWebJobsStorage__credential=managedidentity" in translated.fix


@pytest.mark.parametrize("code", ["ForbiddenByFirewall", "ForbiddenByConnection"])
async def test_a_vault_that_lets_no_network_in_is_not_helped_by_a_role(code: str) -> None:
    translated = translate(await answered(403, inner("Forbidden", code)), "reading", "there", "R")
    assert isinstance(translated, AccessDenied)
    assert "by its firewall" in translated.what
    assert "private endpoint" in translated.fix


@pytest.mark.parametrize(
    ("seconds", "calls"),
    [("5.1", 1), ("6", 1), ("900", 1), ("5", 3), ("0", 3), (None, 3), ("soon", 3)],
)
async def test_a_long_pause_is_left_to_the_queue_and_a_short_one_is_waited_for(
    seconds: str | None, calls: int
) -> None:
    sent = Counter[str]()

    async def busy(request: Request, proceed: object) -> Response:
        del proceed
        sent[request.method] += 1
        return Response(429, {"Retry-After": seconds} if seconds else {})

    policies: list[AsyncHTTPPolicy[Any, Any]] = [ShortRetries()]
    transport = SimulatedTransport(World(), busy, VirtualClock())
    url = "https://busy.example"
    options: dict[str, Any] = {"retry_total": 2, "retry_backoff_factor": 0}
    async with AsyncPipelineClient[Any, Any](url, policies=policies, transport=transport) as client:
        answer = await client.send_request(HttpRequest("GET", f"{url}/"), **options)
    assert (answer.status_code, sent["GET"]) == (429, calls)
