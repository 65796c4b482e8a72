"""What a request's body may hold: it is read into these types, and described by them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

MAX_REASON = 200
Reason = Annotated[
    str, Meta(description=f"For the audit record; cut after {MAX_REASON} characters")
]
SOME = {"pattern": r"\S"}
"""What is not blank, in the OpenAPI document."""
Why = Annotated[
    str,
    Meta(
        description=f"For the audit record; cut after {MAX_REASON} characters",
        extra_json_schema=SOME,
    ),
]


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every body may hold."""


class ReasonBody(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What another try may say."""

    reason: Reason = ""


class RestoreBody(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the undoing of a rotation may say."""

    version: Annotated[
        str, Meta(description="The version to go back to; else the one before the rotation")
    ] = ""
    reason: Reason = ""


class RotateBody(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a rotation by hand may say."""

    force: Annotated[bool, Meta(description="Although it is not due, or outside its window")] = (
        False
    )
    compromised: Annotated[bool, Meta(description="Now, and revoke the old credential at once")] = (
        False
    )
    reason: Reason = ""


class RetireBody(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a retirement by hand may say."""

    force: Annotated[bool, Meta(description="Although an app still uses an older version")] = False
    reason: Reason = ""


class IncidentBody(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is compromised."""

    vault: Annotated[str, Meta(description="Only this vault")] = ""
    name: Annotated[str, Meta(description="Only names of this pattern, such as `app-*`")] = ""
    source: Annotated[str, Meta(description="Only sources with this id, or inside it")] = ""
    version: Annotated[
        str, Meta(description="Only this version of the one secret that vault and name name")
    ] = ""
    everything: Annotated[bool, Meta(description="All of it; together with nothing else")] = False
    reason: Why


class LeakBody(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value that has leaked. It stays in memory, for as long as the call lasts."""

    value: Annotated[
        str, Meta(description="The credential, or a text that holds it", extra_json_schema=SOME)
    ]
    location: Annotated[str, Meta(description="Where it was found, for the incident")] = ""
    act: Annotated[
        bool, Meta(description="Cut it off at once if it is ours, whatever the policy says")
    ] = False


class PolicyBody(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new version of the policy document."""

    document: Annotated[str, Meta(description="Its text", extra_json_schema=SOME)]
    replacing: Annotated[
        str, Meta(description="The version that it replaces; If-Match says the same")
    ] = ""
    reason: Why
