"""What versions say about their past, in which order, and which of it is believed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.secret import Version
from engine.state.history import Read, Reader, events, newest_first, readers_of
from engine.state.request import operation_id
from engine.state.tags import CAUSE, OPERATION, REASON, RETIRE, STATE
from tests.shared.builders import NOW, REF, SECOND, V1, V2, V3, version

V4 = "4" * 32
CHAIN = [V2, V4, V1, V3]
"""Versions of one second in the order in which they were written."""


def written(name: str, replaces: str | None = None, age: int = 0, **tags: str) -> Version:
    mark = {OPERATION: operation_id(REF, replaces)} if replaces else {}
    return version(version=name, age=age * SECOND, changes={**mark, **tags}).bare


def names(versions: list[Version]) -> list[str | None]:
    return [listed.version for listed in versions]


def test_versions_are_ordered_by_time_and_within_a_second_by_which_one_replaced_which() -> None:
    replaced = [None, *CHAIN]
    chain = [written(name, earlier) for name, earlier in zip(CHAIN, replaced, strict=False)]
    assert names(newest_first(chain)) == CHAIN[::-1]
    older = written("0" * 32, age=1)
    for listed in ([*chain, older], [older, *chain[::-1]], [chain[1], older, chain[0], *chain[2:]]):
        assert names(newest_first(listed)) == [*CHAIN[::-1], "0" * 32]


def test_a_version_of_another_second_does_not_count_among_those_of_one() -> None:
    """What V2 replaced is older, so V2 and V3 are both the first of their second."""
    listed = [written(V1, age=1), written(V2, V1), written(V3), written(V4, V3)]
    assert names(newest_first(listed))[0] == V4
    assert names(newest_first(listed))[-1] == V1


def test_versions_that_claim_to_have_replaced_each_other_come_to_an_end() -> None:
    listed = [written(V1, V2), written(V2, V1)]
    assert set(names(newest_first(listed))) == {V1, V2}


def test_rekeys_is_the_oldest_version_whose_operation_replaced_a_known_one() -> None:
    oldest = written(V1, age=9)
    ours = written(V2, V1, age=8)
    copied = written(V3, V1, age=7)
    forged = version(version=V4, changes={OPERATION: "forged"})
    rows = events([forged, copied, ours, oldest])
    assert [(row["version"], row["written_by"]) for row in rows] == [
        (V4, "somebody else"),
        (V3, "somebody else"),
        (V2, "Rekey"),
        (V1, "somebody else"),
    ]


def test_an_event_shows_what_a_version_says_and_believes_only_rekeys_own_words() -> None:
    marks: dict[str, Any] = {CAUSE: "manual by me", RETIRE: "later", STATE: "parked", REASON: "why"}
    ours, theirs = written(V2, V1, **marks), written(V3, V1, **marks)
    first = replace(written(V1, age=9), expires=None, enabled=False)
    _, row, oldest = events([theirs, ours, first])
    assert row == {
        "version": V2,
        "created": NOW.isoformat(),
        "expires": (NOW + timedelta(days=10)).isoformat(),
        "enabled": True,
        "written_by": "Rekey",
        "operation": operation_id(REF, V1),
        "cause": "manual by me",
        "credential": "key1",
        "to_retire": "later",
        "state": "parked",
        "reason": "why",
    }
    assert (oldest["expires"], oldest["enabled"]) == (None, False)
    copy = events([theirs, ours, first])[0]
    assert (copy["operation"], copy["cause"]) == (None, None)
    assert copy["to_retire"] == "later", "people look for what a tag says"


def test_a_version_of_the_policy_document_says_who_pushed_it_and_why() -> None:
    pushed = version(version=V2, changes={"PolicyBy": "me", "PolicyReason": "tidying"})
    by_hand = version(version=V1, age=SECOND, changes={OPERATION: operation_id(REF, V2)})
    rows = events([pushed, by_hand], policy=True)
    assert [(row["written_by"], row["cause"]) for row in rows] == [
        ("Rekey", "policy pushed by me: tidying"),
        ("somebody else", None),
    ]


def test_the_record_says_what_rekey_wrote_whatever_became_of_the_tags() -> None:
    """Azure CLI replaces all tags where one is set, and the page then named somebody else."""
    by_hand, ours = written(V1, age=9), written(V2, age=8)
    copied, later = written(V3, V2, age=7), written(V4, V3, age=6)
    rows = events([later, copied, ours, by_hand], written=[V4, V2])
    assert [(row["version"], row["written_by"]) for row in rows] == [
        (V4, "Rekey"),
        (V3, "somebody else"),
        (V2, "Rekey"),
        (V1, "somebody else"),
    ]


def test_what_is_older_than_the_record_remembers_is_told_by_its_tags() -> None:
    rows = events([written(V3, V2), written(V2, V1, age=8), written(V1, age=9)], written=[V3])
    assert [row["written_by"] for row in rows] == ["Rekey", "Rekey", "somebody else"]


SITE = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Web/sites/x"
IDENTITY = "/subscriptions/1/providers/Microsoft.ManagedIdentity/userAssignedIdentities"


def read(who: dict[str, str], version: str = V1, age: int = 0, count: int = 1) -> Read:
    names = {"resource": "", "person": "", "application": "", "oid": "o", **who}
    return Read(version=version, count=count, last=NOW - age * SECOND, **names)


def test_each_reader_is_named_once_with_all_its_reads_and_what_it_holds_by_now() -> None:
    ann, namesake = ({"person": "Ann", "oid": oid} for oid in ("o1", "o2"))
    reads = [read(ann, V2, 3, 5), read(namesake, V1, 2), read(ann, V1, 1, 2)]
    assert readers_of(reads) == (
        Reader("person", "Ann", "o1", V1, NOW - SECOND, 7),
        Reader("person", "Ann", "o2", V1, NOW - 2 * SECOND, 1),
    )


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ({"person": "Ann", "resource": SITE, "application": "cli"}, ("person", "Ann")),
        ({"resource": SITE, "application": "id"}, ("resource", SITE)),
        ({"application": "id"}, ("application", "id")),
        ({}, ("unknown", "o")),
        ({"oid": ""}, ("unknown", "unknown")),
        ({"resource": f"{IDENTITY}/rekey-app"}, ("rekey", f"{IDENTITY}/rekey-app")),
        ({"resource": f"{IDENTITY}/not-rekey-app"}, ("resource", f"{IDENTITY}/not-rekey-app")),
    ],
)
def test_a_reader_is_named_by_what_tells_people_most(
    who: dict[str, str], expected: tuple[str, str]
) -> None:
    (reader,) = readers_of([read(who)], own="Rekey-App")
    assert (reader.kind, reader.name) == expected
