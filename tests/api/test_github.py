"""GitHub's webhook: what is signed is taken once, and its value comes from GitHub alone."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from api.answers import Answer
from api.app import Api
from api.concurrency_limit import ConcurrencyLimit
from simulator.wire import Request, Response, json_response
from tests.api.test_access import SIGNED_IN, principal
from tests.api.test_leaks import KEYED, leaky, settle
from tests.cloud.conftest import sent
from tests.shared.collected import Collected, dims
from tests.shared.policies import PolicyRig
from tests.shared.scene import ask, refuse, send
from tests.unchanged import unchanged

__all__ = ["sent"]

POLICY = (
    f"{KEYED}  trusted: [github]\n  github: {{webhookSecret: gh-hook, tokenSecret: gh-token}}\n"
)
PAYLOAD: dict[str, Any] = {
    "action": "reopened",
    "alert": {
        "number": 191,
        "secret_type": "azure_storage_account_key",
        "resolution": None,
        "resolved_by": None,
        "resolved_at": None,
    },
    "repository": {
        "id": 257423561,
        "name": "Hello-World",
        "full_name": "Codertocat/Hello-World",
        "private": True,
        "html_url": "https://github.com/Codertocat/Hello-World",
    },
    "organization": {"login": "Codertocat", "id": 30846345},
    "sender": {"login": "Codertocat", "id": 10136561, "type": "User"},
}
"""Cut from github.com/octokit/webhooks at 36a93e9, payload-examples/api.github.com/
secret_scanning_alert/reopened.payload.json."""
OF_AN_APP = POLICY.replace("gh-token}", "gh-app-key, app: Iv23liExample}")
PATH = "/repos/Codertocat/Hello-World/secret-scanning/alerts/191"


@dataclass
class GitHub:
    """GitHub's API, as far as one alert goes."""

    value: str
    status: int = 200
    asked: list[str] = field(default_factory=list)
    instead: Response | None = field(default=None, kw_only=True)
    """What is answered to a good request."""

    def answers(self, host: str) -> bool:
        return host == "api.github.com"

    def handle(self, request: Request) -> Response:
        self.asked.append(request.path)
        allowed = request.header("authorization") == "Bearer gh-token-value"
        if self.status != 200 or not allowed or request.path != PATH:
            return json_response(self.status if self.status != 200 else 404, {"message": "no"})
        alert = {"number": 191, "state": "open", "secret": self.value}
        return self.instead or json_response(200, alert)


@dataclass
class App(GitHub):
    """The same where an app has to ask for a token: of this installation, for one repository."""

    public: Any = None
    now: Callable[[], datetime] = field(kw_only=True)
    wanted: list[Any] = field(default_factory=list)
    installation: int | str | None = 42

    def handle(self, request: Request) -> Response:
        if request.path == PATH:
            return super().handle(request)
        self.asked.append(request.path)
        token = str(request.header("authorization")).removeprefix("Bearer ")
        claims = jwt.decode(
            token,
            self.public,
            ["RS256"],
            issuer="Iv23liExample",
            options={"verify_exp": False, "verify_iat": False},
        )
        now = self.now().timestamp()
        assert claims["iat"] < now < claims["exp"] <= now + 600
        if request.path == "/repos/Codertocat/Hello-World/installation":
            return json_response(200, {"id": self.installation, "app_slug": "rekey"})
        assert (request.method, request.path) == ("POST", "/app/installations/42/access_tokens")
        self.wanted.append(json.loads(request.body))
        return json_response(201, {"token": "gh-token-value", "expires_at": "2026-11-02T10:00:00Z"})


def hooked(document: str = POLICY) -> tuple[PolicyRig, GitHub]:
    rig = leaky(document)
    rig.vault.put("gh-hook", "It's a Secret to Everybody")
    rig.vault.put("gh-token", "gh-token-value")
    github = GitHub(rig.latest("app-key").value)
    rig.world.services.append(github)
    rig.clock.advance(60)
    return rig, github


async def deliver(api: Api, body: Any = PAYLOAD, **headers: str) -> Answer:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    digest = hmac.digest(b"It's a Secret to Everybody", text, hashlib.sha256).hex()
    usual = {
        "x-hub-signature-256": f"sha256={digest}",
        "x-github-event": "secret_scanning_alert",
        "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    }
    extra = {name.replace("_", "-"): text for name, text in headers.items()}
    return await send(api, "http_leak_github", body=text, headers={**usual, **extra})


def numbered(number: int) -> dict[str, Any]:
    """Return one more event of the same alert."""
    return {**PAYLOAD, "alert": {**PAYLOAD["alert"], "updated_at": f"2026-11-02T09:00:{number}Z"}}


def test_a_signature_is_made_as_github_documents_it() -> None:
    from engine.secret import Sensitive
    from leaks.feeds import is_signed

    documented = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    key = Sensitive("It's a Secret to Everybody")
    assert is_signed(b"Hello, World!", documented, key)
    for other in (documented[:-1], documented.removeprefix("sha256="), f"sha1{documented[6:]}"):
        assert not is_signed(b"Hello, World!", other, key)


def test_how_long_a_forged_signature_is_looked_at_tells_nothing_of_the_right_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from engine.secret import Sensitive
    from leaks.feeds import is_signed

    monkeypatch.setattr("leaks.feeds.hmac.compare_digest", lambda right, _: right[:7] == b"sha256=")
    assert is_signed(b"x", "forged", Sensitive("key")), "nothing else compares them"


async def test_an_alert_leads_to_its_value_and_that_is_cut_off() -> None:
    rig, github = hooked()
    answer = await deliver(rig.api())
    assert (answer.status, answer.body["status"]) == (202, "received")
    incidents = (await send(rig.api(), "http_incidents")).body["incidents"]
    assert incidents[0]["reason"].endswith("Codertocat/Hello-World/security/secret-scanning/191")
    await settle(rig)
    keys = {key.value for key in rig.world.accounts["appdata"].keys.values()}
    assert github.value not in keys


@cache
def app_key() -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def with_app(pem: str = "") -> tuple[PolicyRig, App]:
    rig, _ = hooked(OF_AN_APP)
    usual = Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    rig.vault.put("gh-app-key", pem or app_key().private_bytes(*usual).decode())
    app = App(rig.latest("app-key").value, public=app_key().public_key(), now=rig.clock.now)
    rig.world.services[:] = [it for it in rig.world.services if not isinstance(it, GitHub)]
    rig.world.services.append(app)
    rig.clock.advance(60)
    return rig, app


async def test_the_key_of_an_app_is_exchanged_for_a_token_that_reads_one_repositorys_alerts() -> (
    None
):
    rig, app = with_app()
    for number in range(2):
        assert (await deliver(rig.api(), numbered(number))).status == 202
        # No token is kept: it would have to be renewed.
        rig.clock.advance(7200)
    scope = {"repositories": ["Hello-World"], "permissions": {"secret_scanning_alerts": "read"}}
    assert app.wanted == [scope, scope]
    assert (await send(rig.api(), "http_incidents")).body["incidents"]


async def test_what_is_no_key_of_an_app_asks_nobody_and_is_told_in_the_log_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig, app = with_app("-----BEGIN RSA PRIVATE KEY-----\nplanted\n-----END RSA PRIVATE KEY-----")
    answer = await deliver(rig.api())
    assert (answer.status, app.asked) == (503, [])
    assert "planted" not in answer.text() + caplog.text
    assert "gh-app-key" not in answer.text(), "GitHub shows it to whoever sees the webhook"
    assert "holds no private key of a GitHub App" in caplog.text


@pytest.mark.parametrize("installation", ["42/../7", "", None])
async def test_what_is_no_number_of_an_installation_is_asked_for_no_token(
    installation: str | None,
) -> None:
    rig, app = with_app()
    app.installation = installation
    assert (await deliver(rig.api())).status == 503
    assert app.asked == ["/repos/Codertocat/Hello-World/installation"]


@pytest.mark.parametrize(
    "instead",
    [
        json_response(200, {}),
        json_response(200, []),
        json_response(200, {"secret": None}),
        json_response(200, {"secret": ""}),
        json_response(200, {"secret": {"hidden": True}}),
        Response(200, {"Content-Type": "application/json"}, b"<html>planted"),
    ],
    ids=lambda response: response.body.decode(),
)
async def test_an_answer_without_a_value_is_none_that_leaked(
    instead: Response, caplog: pytest.LogCaptureFixture
) -> None:
    """GitHub delivers again what was answered 503; nothing is looked for in its place."""
    rig, github = hooked()
    github.instead = instead
    with unchanged(rig):
        assert (await deliver(rig.api())).status == 503
    assert "GitHub's answer holds no value" in caplog.text
    assert "planted" not in caplog.text


async def test_the_public_key_of_an_app_is_no_private_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    public = app_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    rig, app = with_app(public.decode())
    answer = await deliver(rig.api())
    assert (answer.status, app.asked) == (503, [])
    assert "holds no private key of a GitHub App" in caplog.text


async def test_a_delivery_that_is_replayed_is_taken_once_and_one_that_failed_again() -> None:
    rig, github = hooked()
    github.status = 502
    assert (await deliver(rig.api())).status == 503
    github.status = 200
    # What GitHub signs is the body: whoever replays it may name another delivery.
    names = ("72d3162e-cc78-11e3-81ab-4c9367dc0958", "a1", "")
    statuses = [(await deliver(rig.api(), x_github_delivery=name)).status for name in names]
    assert statuses == [202, 202, 202]
    assert len(github.asked) == 2
    assert len(rig.messages("rotations")) == 1


async def test_a_delivery_that_could_not_be_stored_is_taken_when_it_is_delivered_again() -> None:
    """It counts as one that came before only once what it comes to is stored."""
    rig, _ = hooked()
    refuse(rig, 503, "ServerBusy", lambda sent: "/accepted" in sent.path, times=99)
    assert (await deliver(rig.api())).status == 503
    assert rig.open_requests == []
    rig.world.faults.clear()
    assert (await deliver(rig.api())).status == 202
    assert len(rig.open_requests) == len(rig.messages("rotations")) == 1


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (PAYLOAD, {"x_hub_signature_256": "sha256=" + "0" * 64}, 401),
        (PAYLOAD, {"x_hub_signature_256": ""}, 401),
        (PAYLOAD, {"x_hub_signature_256": "sha256=é"}, 401),
        (b"x" * 300_000, {}, 401),
        (json.dumps(PAYLOAD).encode()[:-9], {}, 202),
        ({**PAYLOAD, "action": "resolved"}, {}, 202),
        ({**PAYLOAD, "alert": {"number": "191"}}, {}, 202),
        ({**PAYLOAD, "alert": {"number": 0}}, {}, 202),
        ({**PAYLOAD, "alert": {"number": 1 << 53}}, {}, 202),
        ({**PAYLOAD, "alert": {"number": True}}, {}, 202),
        ({**PAYLOAD, "repository": {"full_name": "x/../y"}}, {}, 202),
        ({**PAYLOAD, "repository": {"full_name": "../.."}}, {}, 202),
        ({**PAYLOAD, "repository": {"full_name": "x/.."}}, {}, 202),
        ({**PAYLOAD, "repository": None}, {}, 202),
        ([PAYLOAD], {}, 202),
        ({}, {}, 202),
        ({**PAYLOAD, "repository": {"full_name": "x/y?z"}}, {}, 202),
        (b"[" * 100_000, {}, 202),
        ({"zen": "Keep it logically awesome."}, {"x_github_event": "ping"}, 202),
        # Their alerts have numbers of their own.
        (PAYLOAD, {"x_github_event": "code_scanning_alert"}, 202),
        (PAYLOAD, {"x_github_event": "dependabot_alert"}, 202),
    ],
)
async def test_what_is_forged_cut_or_about_something_else_asks_nobody_and_changes_nothing(
    body: Any, headers: dict[str, str], status: int
) -> None:
    rig, github = hooked()
    with unchanged(rig):
        assert (await deliver(rig.api(), body, **headers)).status == status
    assert github.asked == []


async def test_a_webhook_that_nobody_configured_is_closed() -> None:
    rig, github = hooked(KEYED)
    assert (await deliver(rig.api())).status == 401
    assert github.asked == []


async def test_a_flood_of_signed_deliveries_is_bounded_and_forged_ones_read_no_vault() -> None:
    rig, github = hooked()
    api = rig.api()
    github.value = "none-of-ours-at-all"
    for number in range(310):
        await deliver(api, numbered(number))
    assert len(github.asked) == 300
    rig.calls()
    for _ in range(10):
        await deliver(api, x_hub_signature_256="sha256=" + "0" * 64)
    assert rig.calls()["vault"] == 0


async def test_who_forges_a_delivery_sets_off_no_alert_and_who_lacks_a_role_does(
    sent: Collected,
) -> None:
    """Anybody may knock here, as often as they like."""
    rig, _ = hooked()
    assert (await deliver(rig.api(), x_hub_signature_256="sha256=" + "0" * 64)).status == 401
    assert sent.metric("rekey.access.denied") == {}
    assert (await ask(rig.api(env=SIGNED_IN), headers=principal("Rekey.Reader"))).status == 403
    assert sent.metric("rekey.access.denied") == {dims(where="caller", what="http_rotate"): 1}


async def test_a_delivery_that_is_signed_with_a_new_secret_is_taken_at_once() -> None:
    """GitHub sends none again, and one that is refused is counted nowhere."""
    rig, github = hooked()
    api = rig.api()
    signed = hmac.digest(b"Another Secret", json.dumps(PAYLOAD).encode(), hashlib.sha256).hex()
    assert (await deliver(api, numbered(10))).status == 202
    rig.vault.put("gh-hook", "Another Secret")
    rig.clock.advance(30)
    answer = await deliver(api, x_hub_signature_256=f"sha256={signed}")
    assert answer.status == 202
    assert len(github.asked) == 2


@pytest.mark.parametrize("full", ["probes", "deliveries"])
async def test_whoever_asks_for_health_keeps_no_delivery_out_nor_the_other_way_round(
    full: str,
) -> None:
    rig, _ = hooked()
    api = replace(rig.api(), probes=ConcurrencyLimit(64 * (full != "probes")))
    api = replace(api, deliveries=ConcurrencyLimit(64 * (full != "deliveries")))
    answers = [(await deliver(api)).status, (await send(api, "http_health")).status]
    assert answers == ([202, 429] if full == "probes" else [429, 200])
