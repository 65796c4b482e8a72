"""Whatever stands in the tags: the decision comes, is the same again, and cuts nothing off."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from engine.secret import SecretVersion
from engine.state.request import WorkItem, operation_id
from engine.state.tags import MAX_TAGS, OPERATION, OURS, Managed, Pending, parked, parse
from tests.shared.builders import (
    ACCOUNT,
    KINDS,
    NOW,
    POLICY,
    REF,
    USUAL,
    V1,
    V2,
    V3,
    Park,
    Retire,
    Rotate,
    Skip,
    Wait,
    judge,
    version,
)
from tests.shared.items import work_item

TAGS = (
    *USUAL, "Rotator", "RotateBeforeDays", "OverlapHours", "RotationWindow", "ValueTemplate",
    "Replicas", "ReplicaOf",
)  # fmt: skip

spans = st.timedeltas(min_value=timedelta(days=-500), max_value=timedelta(days=500))
words = st.sampled_from(
    [
        "", "0", "1", "10", "90", "sixty", "key1", "key2", "{key}", "{key}{", "{nope}",
        "storage-key", ACCOUNT, "* 01:00-02:00 UTC",
    ]
)  # fmt: skip
retirements = st.builds(
    lambda span, version, key: str(Pending(NOW + span, version, key)),
    spans,
    st.sampled_from([V1, V2, ""]),
    words,
)
marks = st.one_of(
    words, st.builds(lambda span: parked(version(), "why", NOW - span)["RekeyState"], spans)
)
texts = st.one_of(words, retirements, marks, st.text(max_size=40))
any_tags = st.dictionaries(
    st.one_of(st.sampled_from((*TAGS, *sorted(OURS))), st.text(max_size=8)), texts, max_size=18
)
usual_tags = any_tags.map(lambda some: {**USUAL, **some})
sound_tags = st.builds(
    lambda retire, operation: (
        USUAL | ({"RekeyRetire": retire} if retire else {}) | ({OPERATION: operation})
    ),
    st.none() | retirements,
    st.sampled_from([operation_id(REF, V1), operation_id(REF, V3), "x"]),
)
secrets = st.builds(
    SecretVersion,
    st.just(REF),
    st.sampled_from([V1, V2, None]),
    value=st.none(),
    enabled=st.booleans(),
    created=spans.map(lambda age: NOW - age),
    expires=st.none() | spans.map(lambda left: NOW + left),
    content_type=st.none(),
    tags=st.one_of(any_tags, usual_tags, sound_tags),
)
items = st.builds(
    work_item,
    st.just(REF),
    action=st.sampled_from(["rotate", "retire", "restore", "audit"]),
    version=st.sampled_from([V1, V2, None]),
    trigger=st.sampled_from(["event", "sweep", "manual"]),
    force=st.booleans(),
    compromised=st.booleans(),
    recheck=st.integers(0, 2),
)


@given(secrets, items)
def test_any_tags_get_a_decision_and_the_same_one_again(
    secret: SecretVersion, item: WorkItem
) -> None:
    first = judge(secret, item)
    assert first == judge(secret, item)
    if isinstance(first, Skip | Wait | Park):
        assert first.reason


@given(secrets, items)
def test_nothing_is_rotated_while_a_superseded_credential_is_still_alive(
    secret: SecretVersion, item: WorkItem
) -> None:
    """An incident does so where that credential is in use again: it cannot be revoked before."""
    decision = judge(secret, item)
    if isinstance(decision, Rotate) and (pending := decision.managed.pending):
        assert item.compromised
        assert pending.credential_id == decision.managed.credential_id


@given(secrets, items)
def test_nothing_is_retired_inside_its_overlap_unless_compromised(
    secret: SecretVersion, item: WorkItem
) -> None:
    decision = judge(secret, item)
    if isinstance(decision, Retire) and not item.compromised:
        assert decision.pending.at <= NOW


@given(secrets, items)
def test_only_an_enabled_secret_inside_its_scopes_is_ever_touched(
    secret: SecretVersion, item: WorkItem
) -> None:
    decision = judge(secret, item)
    if not isinstance(decision, Skip | Wait | Park):
        assert secret.enabled
        assert POLICY.allows(REF.vault, decision.managed.source)


@given(secrets, items)
def test_a_second_duplicate_after_a_rotation_never_rotates_again(
    secret: SecretVersion, item: WorkItem
) -> None:
    """P2: the version that a rotation writes answers every duplicate of the request with anything but a rotation."""
    seen = judge(secret, item.about(secret.version))
    if not isinstance(seen, Rotate) or secret.version is None:
        return
    written = version(
        version=V3,
        left=timedelta(days=90),
        age=timedelta(0),
        changes={OPERATION: operation_id(REF, secret.version)},
    )
    assert not isinstance(judge(written, item.about(secret.version)), Rotate)


@given(any_tags)
def test_what_is_parsed_keeps_its_bounds(tags: dict[str, str]) -> None:
    managed = parse({"ProviderAddress": ACCOUNT, **tags}, POLICY, KINDS)
    if isinstance(managed, Managed):
        assert timedelta() < managed.rotate_before < managed.validity
        assert timedelta() <= managed.overlap < managed.validity


@given(
    st.dictionaries(st.text(max_size=8), st.text(max_size=30), max_size=MAX_TAGS),
    st.text(max_size=400),
)
def test_a_parked_mark_never_breaks_a_limit_and_never_takes_an_owners_tag_away(
    tags: dict[str, str], reason: str
) -> None:
    marked = parked(version(changes=dict(tags)), reason, NOW)
    before = version(changes=dict(tags)).tags
    assert len(marked) <= max(MAX_TAGS, len(before))
    assert all(len(marked.get(tag, "")) <= 256 for tag in ("RekeyState", "RekeyReason"))
    assert {tag: text for tag, text in marked.items() if tag not in OURS} == {
        tag: text for tag, text in before.items() if tag not in OURS
    }
