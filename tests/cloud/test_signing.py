"""Signatures of requests, held against the published test case and an independent check."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from cloud.rest.signing import SigningKey, digest, signature, signed
from engine.secret import Sensitive
from tests.conformance.served import signatures

SHARED = base64.b64decode(
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
)
NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
KEY = SigningKey("v1", Sensitive("k" * 40))
URL = "https://Rotate.Acme.example/rekey/issue"


def test_the_published_case_of_hmac_sha256_comes_out() -> None:
    """RFC 9421, appendix B.2.5."""
    components = {
        "date": "Tue, 20 Apr 2021 02:07:55 GMT",
        "@authority": "example.com",
        "content-type": "application/json",
    }
    params = '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
    assert signature(components, params, SHARED) == "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="


def test_the_published_digest_comes_out() -> None:
    """RFC 9530, appendix D: the digest of {"hello": "world"} and a line feed."""
    body = b'{"hello": "world"}\n'
    assert digest(body) == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


def arriving() -> dict[str, str]:
    """Return the headers of a signed request as the example gets them."""
    headers = signed("POST", URL, b"{}", KEY, NOW, "n" * 24)
    return {name.lower(): value for name, value in headers.items()} | {
        "host": "rotate.acme.example"
    }


def refused(changes: Mapping[str, str], now: float = NOW.timestamp()) -> str:
    """Return why the example's check refuses a request that was changed on its way."""
    arrived = arriving() | {name.replace("_", "-"): value for name, value in changes.items()}
    body = arrived.pop("body", "{}").encode()
    method, path = arrived.pop("method", "POST"), arrived.pop("path", "/rekey/issue")
    checks = signatures.Signatures({"v1": b"k" * 40, "v2": b"x" * 40}, lambda: now)
    reason: str = checks.refuses(method, path, arrived, body)
    return reason


def test_what_rekey_signs_is_accepted_by_the_example() -> None:
    assert refused({}) == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"body": '{"a": 1}'}, "another body"),
        ({"path": "/rekey/retire"}, "another key"),
        ({"method": "PUT"}, "another key"),
        ({"host": "other.example"}, "another key"),
        ({"content_type": "text/plain"}, "another key"),
        ({"signature": "rekey=:AAAA:"}, "another key"),
        ({"signature_input": ""}, "not signed"),
        ({"content_digest": ""}, "another body"),
    ],
)
def test_whatever_is_changed_on_the_way_is_refused(changes: dict[str, str], reason: str) -> None:
    assert reason in refused(changes)


@pytest.mark.parametrize(("late", "fine"), [(-61, False), (-60, True), (120, True), (121, False)])
def test_a_signature_counts_only_around_its_time(late: int, fine: bool) -> None:
    assert (refused({}, NOW.timestamp() + late) == "") is fine


def test_a_request_counts_once() -> None:
    checks = signatures.Signatures({"v1": b"k" * 40}, NOW.timestamp)
    request = ("POST", "/rekey/issue", arriving(), b"{}")
    assert [checks.refuses(*request), checks.refuses(*request)] == ["", "seen before"]


def test_a_port_is_part_of_what_is_signed_and_the_key_is_not_shown() -> None:
    plain, other = (
        signed("POST", f"https://a.example{port}/x", b"", KEY, NOW, "n" * 24)["Signature"]
        for port in ("", ":8443")
    )
    assert plain != other
    assert signed("POST", "https://a.example:443/x", b"", KEY, NOW, "n" * 24)["Signature"] == plain
    assert "k" * 40 not in repr(KEY)
