"""HTTP triggers of our host.

Routes, keys, and what a function gets and gives, as the real host has it.
"""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from simulator_tests.host.running import KEY, MASTER_KEY, RunningHost

ROTATE = "/api/secrets/a-vault/a-name/rotate"


def call(
    host: RunningHost,
    path: str,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    body: Any = None,
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection(urlsplit(host.url).netloc, timeout=60)
    try:
        connection.request(
            method, path, body=body, headers=headers or {}, encode_chunked=hasattr(body, "__next__")
        )
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def with_key(key: str = KEY) -> dict[str, str]:
    return {"x-functions-key": key}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (ROTATE, {}, 401),
        (ROTATE, {"x-functions-key": "wrong"}, 401),
        (ROTATE + "?code=wrong", {}, 401),
        (ROTATE, {"x-functions-key": KEY}, 202),
        (f"{ROTATE}?code={KEY}", {}, 202),
        (ROTATE, {"x-functions-key": MASTER_KEY}, 202),
        ("/api/master-only", {"x-functions-key": KEY}, 401),
        ("/api/master-only", {"x-functions-key": MASTER_KEY}, 200),
        ("/admin/host/status", {"x-functions-key": KEY}, 401),
        ("/admin/functions/tick", {"x-functions-key": KEY}, 401),
    ],
)
def test_a_key_opens_what_its_level_allows(
    our_host: RunningHost, path: str, headers: dict[str, str], status: int
) -> None:
    method = "GET" if path.endswith("status") else "POST"
    assert call(our_host, path, method, headers)[0] == status


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ROTATE),
        ("PUT", ROTATE),
        ("POST", "/api/secrets/a-vault/rotate"),
        ("POST", ROTATE + "/more"),
        ("POST", "/secrets/a-vault/a-name/rotate"),
        ("POST", "/api/open"),
        ("GET", "/api"),
    ],
)
def test_an_unknown_route_or_method_is_a_404_even_with_a_key(
    our_host: RunningHost, method: str, path: str
) -> None:
    assert call(our_host, path, method, with_key())[:2] == (404, b"")


def test_the_function_gets_route_query_and_body(our_host: RunningHost) -> None:
    path = "/api/SECRETS/v%20%C3%A9/n/Rotate/?dry_run=true&a=1&a=2&empty="
    status, body, headers = call(our_host, path, headers=with_key(), body=b'{"x": 1}')
    assert status == 202
    assert json.loads(body) == {
        "route": {"vault": "v é", "name": "n"},
        "query": {"dry_run": "true", "a": "1,2"},
        "body": '{"x": 1}',
    }
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Seen"] == "yes"


def test_a_body_that_comes_in_chunks_does_not_reach_a_python_function(
    our_host: RunningHost,
) -> None:
    _, body, _ = call(our_host, ROTATE, headers=with_key(), body=iter([b"chunk"]))
    assert json.loads(body)["body"] == ""


def test_the_function_gets_headers_in_lower_case_and_the_callers_trace(
    our_host: RunningHost,
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    _, body, _ = call(our_host, "/api/open", "GET", {"X-Thing": "Value", "traceparent": trace})
    seen = json.loads(body)
    assert seen["headers"]["x-thing"] == "Value"
    assert seen["trace"] == trace
    assert seen["url"] == f"{our_host.url}/api/open"


def test_a_cookie_is_set_with_its_attributes(our_host: RunningHost) -> None:
    cookie = call(our_host, "/api/open", "DELETE")[2]["Set-Cookie"]
    assert set(cookie.split("; ")) == {
        "crumb=1",
        "HttpOnly",
        "Path=/open",
        "SameSite=Lax",
        "Secure",
    }


def test_an_exception_answers_500_and_says_nothing(our_host: RunningHost) -> None:
    assert call(our_host, "/api/boom", "PATCH")[:2] == (500, b"")


def test_the_admin_api_tells_that_the_host_runs(our_host: RunningHost) -> None:
    status, body, _ = call(our_host, "/admin/host/status", "GET", with_key(MASTER_KEY))
    assert (status, json.loads(body)["state"]) == (200, "Running")


def test_the_admin_api_runs_a_function_with_the_input_it_is_given(our_host: RunningHost) -> None:
    body = json.dumps({"input": "run by hand"})
    assert (
        call(our_host, "/admin/functions/on_thing", headers=with_key(MASTER_KEY), body=body)[0]
        == 202
    )
    our_host.wait_for_records(1, "on_thing", body="run by hand")


@pytest.mark.parametrize(
    ("name", "body", "status"), [("nobody", "{}", 404), ("on_thing", "{", 400)]
)
def test_the_admin_api_refuses_what_it_cannot_run(
    our_host: RunningHost, name: str, body: str, status: int
) -> None:
    assert (
        call(our_host, f"/admin/functions/{name}", headers=with_key(MASTER_KEY), body=body)[0]
        == status
    )


def test_invoke_is_not_there_unless_the_host_is_told_to_be_a_worker_only(
    our_host: RunningHost,
) -> None:
    assert call(our_host, "/invoke", headers=with_key(MASTER_KEY), body="{}")[0] == 404


def test_no_key_appears_in_the_log(our_host: RunningHost) -> None:
    call(our_host, f"{ROTATE}?code={KEY}")
    call(our_host, f"/admin/host/status?code={MASTER_KEY}", "GET")
    assert KEY not in our_host.log()
    assert MASTER_KEY not in our_host.log()
