"""The shape of a policy document as one JSON Schema, and the problems that it finds.

The schema is published as docs/policy.schema.json. Every description says what to write, so that
it also serves as the fix in a problem.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.state.tag_texts import HOURS

type Schema = Mapping[str, Any]


def _text(description: str) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": 256, "description": description}


def _number(low: int, high: int, unit: str) -> Schema:
    return {
        "type": "integer",
        "minimum": low,
        "maximum": high,
        "description": f"whole {unit}, {low} to {high}",
    }


def _list(items: Schema, description: str, most: int, least: int = 1) -> Schema:
    return {
        "type": "array",
        "minItems": least,
        "maxItems": most,
        "items": items,
        "description": description,
    }


def _object(properties: Schema, required: list[str], description: str) -> Schema:
    return {
        "type": "object",
        "required": required,
        "additionalProperties": False,
        "properties": properties,
        "description": description,
    }


def _form(pattern: str, description: str, **limits: int) -> Schema:
    return {"type": "string", "pattern": pattern, **limits, "description": description}


def _one_of(words: list[str], description: str = "") -> Schema:
    return {"enum": words, "description": description or f"one of {', '.join(words)}"}


def _named(what: str) -> Schema:
    return _form(r"^[0-9A-Za-z-]{1,127}$", f"the name of the secret {what}")


MATCH = _object(
    {
        "vault": _form(
            r"^https://[0-9A-Za-z.:-]+/?$",
            "the URL of a vault, such as https://prod.vault.azure.net; without it every vault is "
            "meant",
            maxLength=256,
        ),
        "secret": _form(
            r"^[0-9A-Za-z*-]{1,127}$", "a secret's name, in which * stands for any characters"
        ),
    },
    ["secret"],
    "secret, a name in which * stands for any characters, and if need be vault",
)
URL_PATTERN = r"^https://[0-9A-Za-z.:-]+/secrets/[0-9A-Za-z-]{1,127}$"
EVERY_SECRET: Schema = {
    "validityPeriodDays": _number(1, 3650, "days"),
    "rotateBeforeDays": _number(1, 3650, "days"),
    "overlapHours": _number(0, 8760, "hours"),
    "rotationWindow": _text(HOURS),
    "owner": _text("who answers for the secret, 256 characters at most"),
}
"""Settings that can apply to every secret."""
ONE_SECRET: Schema = {
    "providerAddress": {**_text("the id of what issues the credential"), "maxLength": 1024},
    "credentialId": _text("which credential the value is at first, such as key1"),
    "logins": _list(
        {**_text("a login, without a comma"), "pattern": "^[^,]+$"},
        "two logins that alternate",
        most=2,
        least=2,
    ),
    "database": _text("the database that {database} names"),
    "replicas": _list(
        _form(URL_PATTERN, "the URL of a secret, https://<vault>/secrets/<name>"),
        "URLs of secrets",
        most=20,
    ),
    "derivedFrom": _form(
        URL_PATTERN, "the URL of the secret with the key, https://<vault>/secrets/<name>"
    ),
    "mayDerive": _list(
        _form(
            r"^(https://[0-9A-Za-z.:-]+/secrets/)?[0-9A-Za-z-]{1,127}=[^,]+$",
            "a secret and what it may hold, <secret>=sas/container/<name>/rl",
            maxLength=1024,
        ),
        "secrets that may hold what is made from the key",
        most=50,
    ),
}
"""Settings that can only apply to one secret."""
SETTINGS: Schema = {
    **EVERY_SECRET,
    "rotator": _text("a kind of credential, such as storage-key"),
    "valueTemplate": {
        **_text("the value around its parts, such as AccountKey={key}"),
        "maxLength": 2048,
    },
    "manual": {
        "type": "boolean",
        "description": "true where only a person can rotate the secret, else false",
    },
    **ONE_SECRET,
}
"""What a rule may set. Each setting is named after its tag, with a small first letter."""
RESOURCE = _form(
    r"^/subscriptions/[^/]+/resource[Gg]roups/[^/]+/providers/[Mm]icrosoft\."
    r"([Ww]eb/sites/[^/]+(/slots/[^/]+)?|[Aa]pp/container[Aa]pps/[^/]+)$",
    "the resource id of an App Service or Functions app (or slot) or Container App",
    maxLength=1024,
)
FEEDS = ["api", "cli", "github", "gitleaks", "trufflehog"]
"""Who reports leaks: a caller of the API, whoever runs `rekey leak`, or a scanner."""
LEAK_RULE: Schema = _object(
    {
        "match": MATCH,
        "rotator": _text("a kind of credential, such as storage-key"),
        "owner": _text("an owner as tagged or set here"),
        "feed": _one_of(FEEDS),
        "accepted": {
            "type": "boolean",
            "description": "true for only what its source has just accepted, else false",
        },
        "action": _one_of(["ask", "cut off"], "cut off, or ask"),
    },
    ["action"],
    "an action, and what it is for: match, rotator, owner, feed, accepted",
)
LEAKS: Schema = _object(
    {
        "keySecret": _named("in this document's vault that holds a random key"),
        "trusted": _list(
            _one_of(FEEDS),
            "feeds whose reports are acted on without asking a person",
            most=len(FEEDS),
            least=0,
        ),
        "rules": _list(
            LEAK_RULE, "rules, of which the first that matches counts", most=100, least=0
        ),
        "github": _object(
            {
                "webhookSecret": _named("that GitHub signs its webhook with"),
                "tokenSecret": _named(
                    "with a token that reads GitHub's alerts, or the app's private key"
                ),
                "app": {
                    **_text("the client id of a GitHub App whose private key tokenSecret holds"),
                    "pattern": "^[A-Za-z0-9.]{1,40}$",
                },
            },
            ["webhookSecret", "tokenSecret"],
            "webhookSecret and tokenSecret, and app for a GitHub App",
        ),
    },
    [],
    "keySecret, trusted, rules and github, as far as they are needed",
)
SCOPES = _list(
    _text("a scope inside those that REKEY_SCOPES binds to the vault"),
    "scopes that the vault's secrets may rotate; an empty list for none",
    most=100,
    least=0,
)
RULE = _object(
    {"match": MATCH, **SETTINGS}, ["match"], "a match, and the settings for what it matches"
)
NOTIFICATION = _object(
    {
        "owner": _text("an owner as tagged or set here; without it, all secrets"),
        "kind": _one_of(
            ["slack", "standard", "teams"], "slack, teams, or standard for signed events"
        ),
        "webhookSecret": _named("in this document's vault that holds the webhook's URL"),
        "signingSecret": _named("in this document's vault that holds a key (whsec_…)"),
        "withinDays": _number(1, 30, "days before an expiry"),
    },
    ["kind", "webhookSecret"],
    "kind, webhookSecret and if need be owner, withinDays and signingSecret",
)
CONSUMERS = _object(
    {
        "match": MATCH,
        "resources": _list(RESOURCE, "resource ids of apps", most=50),
        "graceSeconds": _number(0, 90, "seconds"),
    },
    ["match", "resources"],
    "a match, the resources to refresh after a rotation of what it matches, and if need be "
    "graceSeconds",
)
SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Rekey's policy document",
    **_object(
        {
            "version": {
                **_number(1, 1, "number"),
                "description": "the number 1, which is this shape's version",
            },
            "defaults": _object(EVERY_SECRET, [], "settings for every secret"),
            "tagsMayOverride": _list(
                _one_of(sorted(SETTINGS)),
                "the settings in which a secret's own tag counts more than this document",
                most=len(SETTINGS),
                least=0,
            ),
            "vaults": {
                "type": "object",
                "additionalProperties": _object({"scopes": SCOPES}, ["scopes"], "scopes, a list"),
                "description": "scopes by the vault's URL",
            },
            "rules": _list(
                RULE, "rules, of which the first that matches a secret counts", most=500, least=0
            ),
            "notifications": _list(NOTIFICATION, "whom to tell, and where", most=100, least=0),
            "consumers": _list(
                CONSUMERS,
                "what uses which secrets; every entry that matches counts",
                most=500,
                least=0,
            ),
            "leaks": LEAKS,
        },
        ["version"],
        "an object that starts with version: 1",
    ),
}
_TYPES: Mapping[str, type] = {"object": dict, "array": list, "string": str, "boolean": bool}


def problems(data: object, schema: Schema = SCHEMA, path: str = "") -> Iterator[str]:
    """Yield every violation of the schema, with its path and what to write; quotes no value.

    It implements only the part of JSON Schema that the schema above uses.
    """
    if not _is(data, schema):
        yield f"{path or 'the document'}: write {schema['description']}"
    elif isinstance(data, dict):
        yield from _in_object(data, schema, path)
    elif isinstance(data, list):
        for place, item in enumerate(data):
            yield from problems(item, schema["items"], f"{path}[{place}]")


def _is(data: object, schema: Schema) -> bool:
    if "enum" in schema:
        return data in schema["enum"]
    if schema["type"] == "integer":
        whole = isinstance(data, int | float) and not isinstance(data, bool) and data % 1 == 0
        return whole and schema["minimum"] <= data <= schema["maximum"]
    if not isinstance(data, _TYPES[schema["type"]]):
        return False
    if isinstance(data, list):
        return bool(schema["minItems"] <= len(data) <= schema["maxItems"])
    if isinstance(data, str):
        fits = schema.get("minLength", 0) <= len(data) <= schema.get("maxLength", len(data))
        return fits and bool(re.search(schema.get("pattern", ""), data))
    return True


def _in_object(data: Mapping[str, object], schema: Schema, path: str) -> Iterator[str]:
    known, others = schema.get("properties", {}), schema["additionalProperties"]
    start = f"{path}." if path else ""
    for key in schema.get("required", ()):
        if key not in data:
            yield f"{start}{key}: is missing: write {known[key]['description']}"
    for key, value in data.items():
        if part := known.get(key, others):
            yield from problems(value, part, f"{start}{key}")
        else:
            yield f"{start}{key[:40]}: is unknown: {_hint(key, known)}"


def _hint(key: str, known: Schema) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known here are {', '.join(known)}"
