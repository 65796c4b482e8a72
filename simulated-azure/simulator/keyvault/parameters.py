"""What Key Vault accepts in a body, and what it refuses with 400 BadParameter.

Limits: https://learn.microsoft.com/azure/key-vault/secrets/about-secrets and the secrets service's
OpenAPI document.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.keyvault.errors import bad_name, bad_parameter, bad_property

if TYPE_CHECKING:
    from simulator.wire import Request

MAX_VALUE_BYTES = 25 * 1024
MAX_CONTENT_TYPE = 255
MAX_TAGS = 15
MAX_TAG_LENGTH = 512
MAX_PAGE = 25
NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
API_VERSIONS = (
    *("2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4-preview.1", "7.4", "7.5", "7.6"),
    *("2025-07-01", "2026-04-01"),
)


@dataclass(frozen=True)
class Parameters:
    """The body of a set or an update; a missing attribute is None."""

    value: str | None = None
    content_type: str | None = None
    tags: dict[str, str] | None = None
    enabled: bool | None = None
    expires: int | None = None
    not_before: int | None = None

    def changes(self) -> dict[str, object]:
        """Return the attributes in the body; a tag map replaces the whole map."""
        named = {
            "content_type": self.content_type,
            "tags": self.tags,
            "enabled": self.enabled,
            "expires": self.expires,
            "not_before": self.not_before,
        }
        return {name: value for name, value in named.items() if value is not None}


def check_api_version(request: Request) -> None:
    """Refuse a missing or unsupported api-version."""
    version = request.query.get("api-version")
    if not version:
        raise bad_parameter("api-version must be specified")
    if version not in API_VERSIONS:
        raise bad_parameter(
            f"The specified version ({version}) is not recognized. "
            f"Consider using the latest supported version ({API_VERSIONS[-1]})."
        )


def check_name(name: str) -> None:
    """Refuse an invalid secret name."""
    if not NAME.fullmatch(name):
        raise bad_name(name)


def page_size(request: Request) -> int:
    """Return how many items a page may hold: 1 to 25, by default 25."""
    size = request.query.get("maxresults", str(MAX_PAGE))
    if not size.isdecimal() or not 1 <= int(size) <= MAX_PAGE:
        raise bad_parameter(f"maxresults must be between 1 and {MAX_PAGE}")
    return int(size)


def read(request: Request) -> Parameters:
    """Return the body of a set or an update, or refuse it."""
    body = _object(request.body)
    attributes = _typed(body, "attributes", dict) or {}
    parameters = Parameters(
        value=_typed(body, "value", str),
        content_type=_typed(body, "contentType", str),
        tags=_typed(body, "tags", dict),
        enabled=_typed(attributes, "enabled", bool),
        expires=_typed(attributes, "exp", int),
        not_before=_typed(attributes, "nbf", int),
    )
    _check(parameters)
    return parameters


def tags_of(request: Request) -> dict[str, str] | None:
    """Return the tags in a body that asks for a certificate."""
    return _typed(_object(request.body), "tags", dict)


def certificate_policy(request: Request) -> dict[str, Any]:
    """Return the policy in a body that asks for a certificate; every part of it is an object."""
    body = _object(request.body)
    policy = _typed(body, "policy", dict)
    if policy is None or set(body) - {"policy", "attributes", "tags"}:
        raise bad_property()
    for part in ("key_props", "secret_props", "x509_props", "issuer"):
        _typed(policy, part, dict)
    return policy


def _check(parameters: Parameters) -> None:
    tags = parameters.tags or {}
    texts = (*tags.keys(), *tags.values())
    if (
        len((parameters.value or "").encode()) > MAX_VALUE_BYTES
        or len(parameters.content_type or "") > MAX_CONTENT_TYPE
        or len(tags) > MAX_TAGS
        or not all(isinstance(text, str) and len(text) <= MAX_TAG_LENGTH for text in texts)
    ):
        raise bad_property()


def _object(body: bytes) -> dict[str, Any]:
    try:
        decoded = json.loads(body)
    except ValueError:
        raise bad_property() from None
    if not isinstance(decoded, dict):
        raise bad_property()
    return decoded


def _typed[T](fields: dict[str, Any], name: str, kind: type[T]) -> T | None:
    value = fields.get(name)
    # A JSON true is no number, although Python's bool is an int.
    if value is not None and (
        not isinstance(value, kind) or (kind is int and isinstance(value, bool))
    ):
        raise bad_property()
    return value
