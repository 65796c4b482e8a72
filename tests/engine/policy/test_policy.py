"""What a policy document makes of a secret's tags, and what is decided then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.secret import SecretRef, SecretVersion
from engine.state.due import due_by_hand
from engine.state.entry import NEEDS_A_PERSON
from engine.state.policy import Consumers, Document, LeakRule, Leaks, Match, Policy, Rule, Webhook
from engine.state.tags import MAX_TAGS, OURS, fingerprint, parked, rests_until
from tests.shared.builders import (
    ACCOUNT,
    GROUP,
    NOW,
    POLICY,
    REF,
    SECOND,
    VAULT,
    Park,
    Retire,
    Rotate,
    Skip,
    Wait,
    decides,
    drafted,
    item,
    judge,
    pending,
    stands,
    version,
)
from tests.shared.policies import ALL, OWN, document, policy

DAY = timedelta(days=1)
RULE = f"rules: [{{match: {{vault: '{VAULT}', secret: app-key}}, providerAddress: {ACCOUNT}, validityPeriodDays: 60}}]\n"
BARE: Mapping[str, str | None] = {
    "ProviderAddress": None,
    "CredentialId": None,
    "ValidityPeriodDays": None,
}
"""No tag of the owner's."""


def test_without_a_document_nothing_is_touched() -> None:
    secret = version()
    assert POLICY.applied(secret) == secret
    assert POLICY.webhooks("somebody") == ()
    assert POLICY.consumers(REF) == ()
    assert not POLICY.is_own(REF)


def test_what_a_document_leaves_out_asks_for_least() -> None:
    match = {"secret": "app-*"}
    rule = {"action": "cut off"}
    consumers = {"match": match, "resources": ["/apps/shop"]}
    read = Document.of({"consumers": [consumers], "leaks": {"rules": [rule]}})
    assert read.consumers == (Consumers(Match(None, "app-*"), ("/apps/shop",)),)
    assert read.leaks == Leaks(rules=(LeakRule(acts=True),))


def test_what_a_document_says_of_leaks_is_read_each_in_its_place() -> None:
    rule = {"action": "ask", "rotator": "storage-key", "owner": "me", "feed": "cli"}
    github = {"webhookSecret": "signs", "tokenSecret": "reads", "app": "an app"}
    leaks = {
        "keySecret": "prints",
        "trusted": ["api"],
        "rules": [{**rule, "accepted": True, "match": {"secret": "App-*"}}],
        "github": github,
    }
    assert Document.of({"leaks": leaks}).leaks == Leaks(
        key="prints",
        trusted=frozenset({"api"}),
        rules=(
            LeakRule(
                acts=False,
                match=Match(None, "app-*"),
                kind="storage-key",
                owner="me",
                feed="cli",
                accepted=True,
            ),
        ),
        webhook="signs",
        token="reads",
        app="an app",
    )


DEFAULT, MINE = "defaults: {owner: default}\n", "tagsMayOverride: [owner]\n"


@pytest.mark.parametrize(
    ("text", "own", "expected"),
    [
        ("", "mine", "mine"),
        (DEFAULT, None, "default"),
        (DEFAULT, "mine", "default"),
        (DEFAULT + MINE, "mine", "mine"),
        (DEFAULT + MINE, None, "default"),
        (DEFAULT + "tagsMayOverride: [manual]\n", "mine", "default"),
        (DEFAULT + "rules: [{match: {secret: 'app-*'}, owner: rule}]", "mine", "rule"),
        (DEFAULT + MINE + "rules: [{match: {secret: 'app-*'}, owner: rule}]", "mine", "mine"),
        (DEFAULT + "rules: [{match: {secret: APP-KEY}, owner: rule}]", None, "rule"),
        (DEFAULT + "rules: [{match: {secret: app}, owner: rule}]", None, "default"),
        (
            DEFAULT + "rules: [{match: {secret: 'app-k*'}}, {match: {secret: '*'}, owner: rule}]",
            None,
            "default",
        ),
        (
            "rules: [{match: {secret: 'app-k*'}}, {match: {secret: '*'}, owner: rule}]",
            "mine",
            "mine",
        ),
        (
            "rules: [{match: {vault: 'https://OTHER.vault.azure.net/', secret: '*'}, owner: rule}]",
            None,
            None,
        ),
        (
            "rules: [{match: {vault: 'https://PROD.vault.azure.net/', secret: '*'}, owner: rule}]",
            None,
            "rule",
        ),
    ],
)
def test_what_the_document_sets_counts_and_a_tag_only_where_it_lets_tags(
    text: str, own: str | None, expected: str | None
) -> None:
    assert policy(text).applied(version(changes={"Owner": own})).tags.get("Owner") == expected


settings = st.dictionaries(
    st.sampled_from(["Owner", "CredentialId", "RotateBeforeDays", "Manual"]), st.just("doc")
)
own_tags = st.dictionaries(
    st.sampled_from(
        [
            "Owner",
            "CredentialId",
            "RotateBeforeDays",
            "Manual",
            "RekeyRetire",
            "RekeyProof",
            "theirs",
        ]
    ),
    st.just("own"),
)


@given(settings, settings, own_tags, st.frozensets(st.sampled_from(["Owner", "RotateBeforeDays"])))
def test_every_tag_that_counts_has_one_of_two_origins_and_nothing_else_is_lost(
    defaults: dict[str, str], rule: dict[str, str], own: dict[str, str], may: frozenset[str]
) -> None:
    effective = Document(
        defaults=defaults, rules=(Rule(Match(None, "*"), rule),), may_override=may
    ).tags_for(REF, own)
    for tag in own.keys() - (defaults.keys() | rule.keys()) | (
        own.keys() & (may | OURS | {"CredentialId", "theirs"})
    ):
        assert effective[tag] == "own"
    for tag in rule.keys() - (may | {"CredentialId"}):
        assert effective[tag] == "doc"
    assert effective.keys() <= own.keys() | defaults.keys() | rule.keys()
    assert effective.keys() >= own.keys() - {"RotateBeforeDays"}
    assert effective.keys() >= (defaults.keys() | rule.keys()) - {"RotateBeforeDays"}


def test_a_rule_alone_puts_a_secret_under_management() -> None:
    decision = decides(Rotate, version(changes=BARE), policy=policy(RULE))
    assert decision.managed.source == ACCOUNT
    assert decision.managed.validity == 60 * DAY


def test_nothing_of_the_policy_is_written_into_tags() -> None:
    secret = version(changes={**BARE, "theirs": "kept"})
    draft = drafted(secret, policy=policy(DEFAULT + RULE))
    assert set(draft.tags) <= OURS | {"CredentialId", "theirs"}
    assert draft.expires == NOW + 60 * DAY


def test_the_credential_in_use_is_what_rekey_noted_and_not_the_rules_first_one() -> None:
    text = RULE.replace("validity", "credentialId: key1, validity")
    for noted, expected in ((None, "key1"), ("key2", "key2")):
        decision = decides(
            Rotate, version(changes={**BARE, "CredentialId": noted}), policy=policy(text)
        )
        assert decision.managed.credential_id == expected


def test_what_the_policy_sets_takes_no_room_among_the_tags() -> None:
    full = {f"other{number}": "x" for number in range(MAX_TAGS - 3)}
    assert isinstance(
        judge(version(changes={**BARE, **full}), policy=policy(DEFAULT + RULE)), Rotate
    )
    decision = decides(
        Park, version(changes={**BARE, **full, "one": "more"}), policy=policy(DEFAULT + RULE)
    )
    assert "leave no room" in decision.reason


def test_default_spans_take_half_of_a_short_life_at_most_whatever_a_tag_says() -> None:
    text = "defaults: {rotateBeforeDays: 40, overlapHours: 240}\n"
    for validity, own, days, hours in (
        (90, None, 40, 240),
        (90, "1", 40, 240),
        (20, "1", 10, 240),
        (10, "1", 5, 120),
    ):
        tags = {"ValidityPeriodDays": str(validity), "RotateBeforeDays": own, "OverlapHours": own}
        decision = decides(Rotate, version(left=DAY, changes=tags), policy=policy(text))
        assert decision.managed.rotate_before == days * DAY
        assert decision.managed.overlap == timedelta(hours=hours)


def test_a_default_of_no_overlap_is_none() -> None:
    assert policy("defaults: {overlapHours: 0}\n").overlap == timedelta()


def test_a_default_span_that_tags_may_override_is_the_tags() -> None:
    text = "defaults: {rotateBeforeDays: 40}\ntagsMayOverride: [rotateBeforeDays]\n"
    decision = decides(
        Rotate, version(left=DAY, changes={"RotateBeforeDays": "7"}), policy=policy(text)
    )
    assert decision.managed.rotate_before == 7 * DAY


def test_a_document_narrows_what_a_vault_may_rotate_and_never_widens_it() -> None:
    assert isinstance(
        judge(version(), policy=policy(f"vaults: {{'{VAULT}': {{scopes: [{ACCOUNT}]}}}}")), Rotate
    )
    decision = decides(Park, version(), policy=policy(f"vaults: {{'{VAULT}': {{scopes: []}}}}"))
    assert "policy document" in decision.fix
    spelt = "https://PROD.vault.azure.net/"
    for scopes, allowed in ((f"[{ACCOUNT.upper()}/]", True), ("[]", False)):
        narrowed = policy(f"vaults: {{'{spelt}': {{scopes: {scopes}}}}}")
        assert narrowed.allows(VAULT, ACCOUNT) is allowed, "case and a last slash do not count"
    wide = Policy({VAULT: (GROUP,)}).under(
        Document(scopes={VAULT: ("/subscriptions/x",), "https://x": ("/y",)})
    )
    assert not wide.allows(VAULT, "/subscriptions/x")
    assert not wide.allows("https://x", "/y")
    assert not wide.manages("https://x")


def test_a_replica_that_only_the_policy_names_must_be_where_the_credential_may_go() -> None:
    far = "https://other.vault.azure.net/secrets/copy"
    text = f"rules: [{{match: {{vault: '{VAULT}', secret: app-key}}, replicas: ['{far}']}}]"
    decision = decides(Park, version(), policy=policy(text))
    assert far in decision.reason
    assert isinstance(judge(version(changes={"Replicas": far}), policy=policy(text)), Rotate), (
        "its owner named it, too"
    )
    near = text.replace("other.", "prod.")
    assert isinstance(judge(version(), policy=policy(near)), Rotate)


MANUAL = "rules: [{match: {secret: 'app-*'}, manual: true}]\n"


@pytest.mark.parametrize("changes", [{}, BARE])
@pytest.mark.parametrize("force", [False, True])
def test_what_only_a_person_can_rotate_is_left_alone(
    changes: dict[str, str | None], force: bool
) -> None:
    decision = decides(Skip, version(changes=changes), item(force=force), policy(MANUAL))
    assert "a person" in decision.reason


@pytest.mark.parametrize(
    ("tag", "alone"), [("true", True), ("True", True), ("yes", True), ("false", False), ("", False)]
)
def test_an_owner_can_keep_a_secret_to_a_person_by_tag(tag: str, alone: bool) -> None:
    assert isinstance(judge(version(changes={"Manual": tag})), Skip) == alone


def test_what_is_still_to_be_retired_of_a_secret_that_became_manual_is_retired_in_time() -> None:
    assert isinstance(judge(version(changes=pending(-DAY)), policy=policy(MANUAL)), Retire)
    assert isinstance(judge(version(changes=pending(DAY)), policy=policy(MANUAL)), Wait)


@pytest.mark.parametrize(
    ("left", "age", "changes", "expected"),
    [
        (60 * DAY, DAY, BARE, NOW + 30 * DAY),
        (None, DAY, BARE, None),
        (None, DAY, {"ValidityPeriodDays": "90"}, NOW + 89 * DAY),
        (40 * DAY, DAY, {"ValidityPeriodDays": "90", "RotateBeforeDays": "1"}, NOW + 39 * DAY),
        (40 * DAY, 60 * DAY, {"ValidityPeriodDays": "90", "RotateBeforeDays": "1"}, NOW + 30 * DAY),
        (9 * DAY, DAY, BARE, NOW + 4 * DAY),
        (60 * DAY, DAY, {"ValidityPeriodDays": "soon"}, NOW + 30 * DAY),
    ],
)
def test_the_day_on_which_a_person_should_rotate_is_known(
    left: timedelta | None, age: timedelta, changes: dict[str, str | None], expected: object
) -> None:
    secret = version(left=left, age=age, changes={**BARE, **changes})
    assert due_by_hand(secret, policy(MANUAL)) == expected


@pytest.mark.parametrize(
    ("left", "state"),
    [
        (30 * DAY + SECOND, "ok"),
        (30 * DAY, "overdue"),
        (2 * DAY, "overdue"),
        (timedelta(), "overdue"),
    ],
)
def test_what_only_a_person_rotates_needs_that_person_as_soon_as_it_is_due(
    left: timedelta, state: str
) -> None:
    """It was `due`, beside what the next sweep rotates, until the day it expired."""
    row = stands(version(left=left, age=60 * DAY, changes=BARE), (), policy(MANUAL + DEFAULT), ALL)
    assert (row.state, row.state in NEEDS_A_PERSON) == (state, state == "overdue")
    assert row.reason.startswith("only a person rotates it")
    assert bool(row.fix) is (state == "overdue")
    assert row.due == NOW + left - 30 * DAY
    assert row.to_json()["owner"] == "default"


def test_the_inventory_follows_the_document() -> None:
    full = {f"other{number}": "x" for number in range(MAX_TAGS - 3)}
    row = stands(version(left=30 * DAY, changes={**BARE, **full}), (), policy(DEFAULT + RULE), ALL)
    assert (row.state, row.to_json()["source"], row.to_json()["owner"]) == (
        "due",
        ACCOUNT,
        "default",
    )
    own = stands(replace(version(), ref=OWN), (), policy(""), ALL)
    assert own.state == "unmanaged"


def test_the_secret_that_holds_the_document_is_never_rotated() -> None:
    secret = replace(version(), ref=SecretRef(VAULT, OWN.name.upper()))
    decision = decides(Skip, secret, item(force=True), policy(""))
    assert "policy document" in decision.reason


def test_a_parked_secret_is_tried_again_when_what_the_policy_says_about_it_has_changed() -> None:
    before, after, other = (
        policy(DEFAULT + text) for text in ("", MANUAL, MANUAL.replace("app-*", "x"))
    )
    secret = version()
    marked: SecretVersion = replace(
        secret, tags=parked(secret, "why", NOW, seen=fingerprint(before.applied(secret)))
    )
    assert rests_until(before.applied(marked), NOW) == NOW + DAY
    assert rests_until(other.applied(marked), NOW) == NOW + DAY
    assert rests_until(after.applied(marked), NOW) is None


def test_a_parked_secret_is_tried_again_when_its_vault_is_narrowed_to_something_else() -> None:
    bound = "vaults: {{'{}': {{scopes: []}}}}\n"
    before, other, after = (
        policy(text) for text in (bound.format(VAULT), bound.format(VAULT) + DEFAULT, "")
    )
    secret = version()
    seen = fingerprint(secret, before.narrowed)
    marked = replace(secret, tags=parked(secret, "why", NOW, seen=seen))
    until = [rests_until(marked, NOW, at.narrowed) for at in (before, other, after)]
    assert until == [NOW + DAY, NOW + DAY, None]
    assert decides(Skip, marked, item(), before).reason.startswith("parked until")
    decides(Rotate, marked, item(), after)
    there = [
        f"vaults: {{'{VAULT}': {{scopes: [{GROUP}/{a}, {GROUP}/{b}]}}}}" for a, b in ("xy", "yx")
    ]
    assert len({policy(text).narrowed for text in there}) == 1, "their order says nothing"


def test_a_malformed_tag_of_the_secrets_own_is_mended_there_although_there_is_a_document() -> None:
    decision = decides(Park, version(changes={"ValidityPeriodDays": "x"}), policy=policy(""))
    assert decision.fix == "rekey tags set prod/app-key ValidityPeriodDays=90"


def test_an_owner_is_told_where_it_asked_and_who_wants_everything_too() -> None:
    text = (
        "notifications: [{kind: teams, webhookSecret: all}, {kind: slack, webhookSecret: shop, "
        "owner: shop}, "
        "{kind: teams, webhookSecret: x, owner: x}]"
    )
    everything, shop = Webhook(None, "teams", "all"), Webhook("shop", "slack", "shop")
    assert policy(text).webhooks("shop") == policy(text).webhooks(" SHOP ") == (everything, shop)
    assert policy(text).webhooks(None) == (everything,)


def test_every_entry_of_consumers_that_matches_counts_and_each_app_once() -> None:
    sites = [
        f"/subscriptions/1/resourceGroups/g/providers/Microsoft.Web/sites/{name}" for name in "abc"
    ]
    text = (
        f"consumers: [{{match: {{secret: 'app-*'}}, resources: ['{sites[0]}', '{sites[1]}']}}, "
        f"{{match: {{secret: '*-key'}}, resources: ['{sites[1]}', '{sites[2]}'], graceSeconds: 9}}, "
        f"{{match: {{secret: 'x'}}, resources: ['/subscriptions/1/resourceGroups/g/providers/Microsoft.Web/sites/d']}}]"
    )
    assert policy(text).consumers(REF) == tuple(sites)
    assert policy(text).grace(REF) == 9 * SECOND, "the longest"
    assert policy(text).grace(SecretRef(VAULT, "app-1")) == timedelta()


def test_numbers_flags_and_lists_become_the_tags_that_an_owner_would_write() -> None:
    text = (
        f"rules: [{{match: {{vault: '{VAULT}', secret: db}}, logins: [app_a, app_b], manual: false, overlapHours: 24.0, "
        f"replicas: ['{VAULT}/secrets/a', '{VAULT}/secrets/b'], database: shop}}]"
    )
    assert document(text).rule_for(SecretRef(VAULT, "DB")) == {
        "Logins": "app_a,app_b",
        "Manual": "false",
        "OverlapHours": "24",
        "Replicas": f"{VAULT}/secrets/a,{VAULT}/secrets/b",
        "Database": "shop",
    }
