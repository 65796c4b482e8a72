"""What no service documents, a proxy answers all the same: each has a clear outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from engine.errors import NeedsHuman, RekeyError, TransientError
from engine.secret import Sensitive
from rotators.shared.sas_rule import SasRule
from rotators.shared.two_keys import TwoKeys
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.parts import crossed
from tests.rotators.key_scenes import BY_NAME, FAMILY, KeyScene, Member
from tests.rotators.sas_scenes import RULES, RuleScene, SasScene

JSON = {"Content-Type": "application/json"}
OVER_HTTPS = [member for member in FAMILY if "redis" not in str(member)]
BINARY = Response(200, {"Content-Type": "text/plain; charset=utf-8"}, b"\xff\xfe\xfa")
SCENES: dict[str, Callable[[], KeyScene | SasScene]] = {
    **{str(member): lambda member=member: KeyScene(member) for member in OVER_HTTPS},  # type: ignore[misc]
    **{rule.kind.kind: lambda rule=rule: RuleScene(rule) for rule in RULES},  # type: ignore[misc]
    "storage-sas": SasScene,
}
EVERY = pytest.mark.parametrize("kind", SCENES)


async def verified(kind: str, answer: Response) -> None:
    """Prove what the vault holds where the source gives one answer to whatever is asked."""
    scene = SCENES[kind]()

    async def odd(request: Request, call: Call) -> Response:
        azure = request.host.startswith(("management.", "login.", "169."))
        return await call() if azure else answer

    held = Sensitive(next(iter(sorted(scene.live()))))
    await scene.rotator(odd).verify(scene.source, "", held)


@pytest.mark.parametrize(("kind", "status"), crossed([*SCENES], [199, 520, 999]))
async def test_a_status_that_nobody_has_defined_proves_nothing(kind: str, status: int) -> None:
    with pytest.raises(NeedsHuman, match=str(status)):
        await verified(kind, Response(status, JSON, b"{}"))


@pytest.mark.parametrize(("kind", "status"), crossed([*SCENES], [200, 401, 403, 404]))
async def test_a_page_that_a_proxy_shows_for_everything_proves_nothing(
    kind: str, status: int
) -> None:
    page = Response(status, {"Content-Type": "Text/HTML; charset=utf-8"}, b"<html>Sign in</html>")
    with pytest.raises(NeedsHuman, match=str(status)) as caught:
        await verified(kind, page)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("kind", "answer"),
    crossed([*SCENES], [(200, b""), (204, b""), (200, b"Access denied by policy")]),
)
async def test_a_success_that_says_nothing_proves_nothing(
    kind: str, answer: tuple[int, bytes]
) -> None:
    """Something in between answers so to whatever is asked, a made-up credential among it."""
    status, text = answer
    plain = Response(status, {"Content-Type": "text/plain"}, text)
    with pytest.raises(NeedsHuman, match=str(status)):
        await verified(kind, plain)


@pytest.mark.parametrize(("kind", "status"), crossed([*SCENES], [403, 404]))
async def test_a_page_in_answer_to_the_credential_alone_proves_nothing(
    kind: str, status: int
) -> None:
    """Beside it the service itself refuses what is made up, as it does where a credential is good."""
    scene = SCENES[kind]()
    pages = [Response(status, {"Content-Type": "text/html"}, b"<html>Blocked</html>")]

    async def once(request: Request, call: Call) -> Response:
        azure = request.host.startswith(("management.", "login.", "169."))
        return await call() if azure or not pages else pages.pop()

    held = Sensitive(next(iter(sorted(scene.live()))))
    with pytest.raises(NeedsHuman, match=str(status)):
        await scene.rotator(once).verify(scene.source, "", held)


@EVERY
async def test_a_service_that_asks_to_try_again_is_asked_again_later(kind: str) -> None:
    with pytest.raises(TransientError, match="449"):
        await verified(kind, Response(449, JSON, b"{}"))


RULE_KINDS = [str(member) for member in OVER_HTTPS if issubclass(member.kind, SasRule)]


@pytest.mark.parametrize("kind", [*RULE_KINDS, *(rule.kind.kind for rule in RULES)])
async def test_a_list_that_a_namespace_shows_to_everybody_proves_nothing(kind: str) -> None:
    feed = b'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title/></feed>'
    with pytest.raises(NeedsHuman):
        await verified(kind, Response(200, {"Content-Type": "application/atom+xml"}, feed))


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("kind", ["signalr-key", "web-pubsub-key"])
async def test_what_a_service_with_hubs_did_not_write_proves_nothing(
    kind: str, status: int
) -> None:
    pattern = f"answers {status} to its key and {status} to a made-up one"
    with pytest.raises(NeedsHuman, match=pattern):
        await verified(kind, Response(status, {"Content-Type": "text/plain"}, b"no route"))


async def test_a_batch_account_that_forbids_for_another_reason_has_not_refused_its_key() -> None:
    forbidden = Response(403, JSON, b'{"code": "AuthorizationFailure"}')
    with pytest.raises(NeedsHuman, match="answers 403 to its key and 403 to a made-up one"):
        await verified("batch-key", forbidden)


@pytest.mark.parametrize(("kind", "status"), crossed([*SCENES], [200, 401, 403]))
async def test_a_body_that_is_no_text_is_no_reason_to_fail(kind: str, status: int) -> None:
    with suppress(RekeyError):
        await verified(kind, replace(BINARY, status=status))


@pytest.mark.parametrize("verb", ["read", "list", "replace"])
@pytest.mark.parametrize("body", [b'{"properties": "x"}', b'{"properties": [1], "keys": [2]}'])
@pytest.mark.parametrize(
    "member",
    [BY_NAME["cosmos-db-key"], BY_NAME["redis-key of a database"], BY_NAME["api-management-key"]],
    ids=str,
)
async def test_a_resource_without_properties_is_no_reason_to_replace_the_live_key(
    member: Member, body: bytes, verb: str
) -> None:
    scene = KeyScene(member)

    async def odd(request: Request, call: Call) -> Response:
        replaces = "regenerate" in request.path.lower()
        asked = "read" if request.method == "GET" else "replace" if replaces else "list"
        is_odd = request.host.startswith("management.") and asked == verb
        return Response(200, JSON, body) if is_odd else await call()

    rotator, held = scene.rotator(odd), Sensitive(scene.value(member.slot))
    assert isinstance(rotator, TwoKeys)
    other = scene.member.kind.facts.place(scene.source).pair.second.name
    job = replace(scene.job(), proven=False, held=held, written=scene.rig.clock.now())
    steps: list[Callable[[], Awaitable[object]]] = [
        lambda: rotator.preflight(job),
        lambda: rotator.forewarn(job),
        lambda: rotator.issue(job),
        lambda: rotator.verify(scene.source, member.slot, held),
        lambda: rotator.retire(scene.source, other, held),
    ]
    for step in steps:
        with suppress(RekeyError):
            await step()
    assert held.reveal() in scene.live()
