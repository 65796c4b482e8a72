"""What is wrong with a policy document although its shape is right.

Each problem with its path, and nothing counts.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from engine.policy.check import check
from engine.policy.schema import SCHEMA
from rotators.storage_key import StorageKey
from rotators.storage_sas import StorageSas
from tests.shared import policies
from tests.shared.builders import ACCOUNT, GROUP, VAULT, kinds_of

DATABASE = f"{GROUP}/providers/Microsoft.Sql/servers/shop/databases/shop"
LOGIN, BOTH = "sql-login-password", "{user}:{password}"
OTHER = "https://other.vault.azure.net"


def one(name: str, **settings: object) -> str:
    """Write a rule for one secret."""
    return f"  - {json.dumps({'match': {'vault': VAULT, 'secret': name}, **settings})}\n"


def many(name: str, **settings: object) -> str:
    """Write a rule for a pattern in every vault."""
    return f"  - {json.dumps({'match': {'secret': name}, **settings})}\n"


def found(text: str) -> tuple[str, ...]:
    """Return the problems of a document; with any of them there is no document."""
    document, problems = check(policies.EMPTY + text, policies.DEPLOYED, policies.ALL)
    assert (document is None) == bool(problems)
    return problems


def test_the_example_of_the_page_has_no_problem() -> None:
    document, problems = check(policies.example(), policies.DEPLOYED, policies.ALL)
    assert problems == ()
    assert document


def test_a_text_that_cannot_be_read_is_not_judged_further() -> None:
    document, problems = check("a: [", policies.DEPLOYED, policies.ALL)
    assert document is None
    assert len(problems) == 1
    assert check("", policies.DEPLOYED, policies.ALL)[1] == (
        "the document: write an object that starts with version: 1",
    )


def test_keys_that_stand_twice_and_a_wrong_shape_are_told_together() -> None:
    assert len(found("version: 1\nsurplus: 1\n")) == 2


SITE = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Web/sites/x"
REPLICA = f"{VAULT}/secrets/copy"
FOREIGN = "https://foreign.vault.azure.net"
PROBLEMS = {
    "a window that never opens": (
        'defaults: {rotationWindow: "Sun 03:00-03:00 UTC"}\n',
        "defaults.rotationWindow: never opens, or is not a window",
    ),
    "a window in a place that is none": (
        "rules:\n" + many("*", rotationWindow="Sun 03:00-04:00 Europe/Nowhere"),
        "rules[0].rotationWindow: never opens, or is not a window",
    ),
    "a span as long as the validity": (
        "defaults: {validityPeriodDays: 30, rotateBeforeDays: 30}\n",
        "defaults.rotateBeforeDays: spans the whole validityPeriodDays",
    ),
    "a span as long as the default validity": (
        "defaults: {validityPeriodDays: 2}\nrules:\n" + many("*", overlapHours=48),
        "rules[0].overlapHours: spans the whole validityPeriodDays",
    ),
    "a kind that does not exist": (
        "rules:\n" + many("*", rotator="storage-keys"),
        "rules[0].rotator: write one of service-principal-secret, ",
    ),
    "an address that nothing issues": (
        "rules:\n" + one("app", providerAddress="/subscriptions/x"),
        "rules[0].providerAddress: is '/subscriptions/x': set it to the id of what issues ",
    ),
    "a template that nobody can fill in": (
        "rules:\n" + one("app", providerAddress=ACCOUNT, valueTemplate="{key}{nobody}"),
        "rules[0].valueTemplate: uses {nobody}; known here: ",
    ),
    "a template without the credential": (
        "rules:\n" + one("app", providerAddress=ACCOUNT, valueTemplate="{account}"),
        "rules[0].valueTemplate: has no {key}",
    ),
    "a template without the credential of the kind that is named": (
        "rules:\n" + many("*", rotator="storage-key", valueTemplate="{password}"),
        "rules[0].valueTemplate: has no {key}",
    ),
    "a template that does for no kind": (
        "rules:\n" + many("*", valueTemplate="nonsense"),
        "rules[0].valueTemplate: fits no kind of credential",
    ),
    "a source outside the vault's scopes": (
        "rules:\n" + one("app", providerAddress=ACCOUNT.replace("production", "foreign")),
        f"rules[0].providerAddress: is outside the scopes bound to {VAULT}",
    ),
    "a source outside what the document itself leaves": (
        f"vaults: {{'{VAULT}': {{scopes: []}}}}\nrules:\n" + one("app", providerAddress=ACCOUNT),
        "rules[0].providerAddress: is outside the scopes",
    ),
    "one source for two secrets": (
        "rules:\n"
        + one("app", providerAddress=ACCOUNT)
        + one("app2", providerAddress=ACCOUNT.upper()),
        "rules[1].providerAddress: is what rules[0] rotates already",
    ),
    "one login for two secrets": (
        "rules:\n"
        + one("app", providerAddress=DATABASE, rotator=LOGIN, logins=["a", "b"], valueTemplate=BOTH)
        + one("app2", providerAddress=DATABASE, rotator=LOGIN, credentialId="b"),
        "rules[1].providerAddress: is what rules[0] rotates already",
    ),
    "a rule for leaks behind one that matches the same": (
        "leaks: {rules: [{action: ask, owner: a}, {action: cut off, owner: a, accepted: true}]}\n",
        "leaks.rules[1]: never counts, since leaks.rules[0] covers it",
    ),
    "a rule for leaks behind one that matches everything": (
        "leaks: {rules: [{action: ask}, {action: cut off, match: {secret: 'a-*'}}]}\n",
        "leaks.rules[1]: never counts, since leaks.rules[0] covers it",
    ),
    "placeholders side by side": (
        "rules:\n" + one("app", providerAddress=ACCOUNT, valueTemplate="{account}{key}"),
        "rules[0].valueTemplate: has placeholders side by side",
    ),
    "a source for a pattern": (
        "rules:\n" + one("app-*", providerAddress=ACCOUNT),
        "rules[0].providerAddress: is true of one secret only: match one vault and one name ",
    ),
    "a login for whatever vault": (
        "rules:\n" + many("app", logins=["a", "b"]),
        "rules[0].logins: is true of one secret only",
    ),
    "a person's secret with a source": (
        "rules:\n" + one("app", providerAddress=ACCOUNT, manual=True),
        "rules[0].manual: a person rotates it, so providerAddress has no meaning",
    ),
    "a replica of itself": (
        "rules:\n" + one("app", replicas=[f"{VAULT}/secrets/APP"]),
        "rules[0].replicas[0]: is the secret itself",
    ),
    "a loop of replicas": (
        "rules:\n"
        + one("app", replicas=[REPLICA])
        + one("copy", replicas=[f"{VAULT}/secrets/app"]),
        "rules[0].replicas[0]: is managed itself by rules[1], whose replica is this rule's s",
    ),
    "a longer loop of replicas": (
        "rules:\n"
        + one("app", replicas=[REPLICA])
        + one("copy", replicas=[f"{VAULT}/secrets/third"])
        + one("third", replicas=[f"{VAULT}/secrets/app"]),
        "rules[2].replicas[0]: is managed itself by rules[0]",
    ),
    "a replica that is managed itself": (
        "rules:\n" + one("app", replicas=[REPLICA]) + one("copy", providerAddress=ACCOUNT),
        "rules[0].replicas[0]: is managed itself by rules[1]: remove it",
    ),
    "a replica of two secrets": (
        "rules:\n"
        + one("app", replicas=[REPLICA])
        + one(
            "app2",
            replicas=[REPLICA.upper().replace("HTTPS", "https").replace("SECRETS", "secrets")],
        ),
        "rules[1].replicas[0]: is a replica in rules[0] already",
    ),
    "a replica of two secrets that the first spells otherwise": (
        "rules:\n"
        + one("app", replicas=[f"{VAULT}/secrets/COPY"])
        + one("app2", replicas=[REPLICA]),
        "rules[1].replicas[0]: is a replica in rules[0] already",
    ),
    "a replica that stands twice": (
        "rules:\n" + one("app", replicas=[REPLICA, REPLICA]),
        "rules[0].replicas[1]: stands twice",
    ),
    "a replica in a vault that is not served": (
        "rules:\n" + one("app", replicas=[f"{FOREIGN}/secrets/copy"]),
        "rules[0].replicas[0]: its vault is not served",
    ),
    "a replica where the credential may not go": (
        "rules:\n" + one("app", providerAddress=ACCOUNT, replicas=[f"{OTHER}/secrets/copy"]),
        "rules[0].replicas[0]: its vault is not bound to the source",
    ),
    "a replica outside what the document itself leaves": (
        f"vaults: {{'{VAULT}': {{scopes: []}}}}\nrules:\n"
        + one("app", providerAddress=ACCOUNT, replicas=[REPLICA]),
        "rules[0].replicas[0]: its vault is not bound to the source",
    ),
    "the document as a replica": (
        "rules:\n" + one("app", replicas=[str(policies.OWN)]),
        "rules[0].replicas[0]: is the secret that holds this document",
    ),
    "a rule for the document": (
        "rules:\n" + one("Rekey-Policy", owner="x"),
        "rules[0].match: is the secret that holds this document",
    ),
    "a rule for a vault that is not served": (
        f"rules:\n  - match: {{vault: '{FOREIGN}', secret: app}}\n",
        "rules[0].match.vault: is not served, so this never matches",
    ),
    "consumers in a vault that is not served": (
        f"consumers:\n  - {{match: {{vault: '{FOREIGN}', secret: app}}, resources: [{SITE}]}}\n",
        "consumers[0].match.vault: is not served",
    ),
    "a rule behind one that matches the same": (
        "rules:\n" + many("App-*") + one("app-1"),
        "rules[1]: never counts, since rules[0] covers it",
    ),
    "a rule behind one for its vault": (
        "rules:\n" + one("app-*") + one("app-1"),
        "rules[1]: never counts, since rules[0] covers it",
    ),
    "a pattern behind a wider one": (
        "rules:\n" + many("*p-*") + many("app-*-x"),
        "rules[1]: never counts",
    ),
    "a rule for leaks in a vault that is not served": (
        f"leaks: {{rules: [{{action: ask, match: {{vault: '{FOREIGN}', secret: app}}}}]}}\n",
        "leaks.rules[0].match.vault: is not served, so this never matches",
    ),
    "a rule for leaks of a kind that does not exist": (
        "leaks: {rules: [{action: ask, rotator: storage-keys}]}\n",
        "leaks.rules[0].rotator: write one of service-principal-secret, ",
    ),
    "a vault that is not served": (
        f"vaults: {{'{FOREIGN}': {{scopes: []}}}}\n",
        f"vaults.{FOREIGN}: is not served",
    ),
    "one vault twice": (
        f"vaults: {{'{VAULT}/': {{scopes: []}}, '{VAULT.upper().replace('HTTPS', 'https')}/': {{scopes: []}}}}\n",
        "/: stands here twice, in two spellings",
    ),
    "a scope above what is granted": (
        f"vaults: {{'{VAULT}': {{scopes: [/subscriptions/11111111-2222-4333-8444-555555555555]}}}}\n",
        f"vaults.{VAULT}.scopes[0]: is wider than what REKEY_SCOPES binds",
    ),
    "a scope beside what is granted": (
        f"vaults: {{'{VAULT}': {{scopes: [{GROUP}/x, {GROUP}2]}}}}\n",
        f"vaults.{VAULT}.scopes[1]: is wider than what REKEY_SCOPES binds",
    ),
    "events without a key": (
        "notifications: [{kind: standard, webhookSecret: url}]\n",
        "notifications[0].signingSecret: is missing: events are signed",
    ),
    "a key for a chat": (
        "notifications: [{kind: slack, webhookSecret: url, signingSecret: key}]\n",
        "notifications[0].signingSecret: a chat checks no signature",
    ),
    "a key that is the URL": (
        "notifications: [{kind: standard, webhookSecret: url, signingSecret: URL}]\n",
        "notifications[0].signingSecret: holds the webhook's URL",
    ),
}


@pytest.mark.parametrize(("text", "problem"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_the_problem_is_told_with_its_path(text: str, problem: str) -> None:
    assert [line for line in found(text) if problem in line], found(text)


FINE = {
    "a replica in a vault that is bound to the source": one(
        "app", providerAddress=ACCOUNT, replicas=[REPLICA]
    ),
    "a replica whose own rule only names its owner": one(
        "app", providerAddress=ACCOUNT, replicas=[REPLICA]
    )
    + one("copy", owner="x"),
    "a template that does for one kind": many("*", valueTemplate="Password={password}"),
    "a rule for every vault behind one for a single vault": one("app-*") + many("app-1"),
    "a narrower rule before a wider one": one("app-1") + many("app-*"),
    "spans that just leave something of the validity": many(
        "*", validityPeriodDays=30, rotateBeforeDays=29, overlapHours=719
    ),
    "patterns that only overlap": many("a*") + many("*a"),
    "the same name in another vault": one("app")
    + f"  - match: {{vault: '{OTHER}', secret: app}}\n",
    "a rule that sets nothing, as an exception": one("app"),
    "replicas of two secrets": one("app", replicas=[REPLICA])
    + one("app2", replicas=[f"{VAULT}/secrets/copy2"]),
    "a replica of a later secret": one("app", owner="x") + one("app2", replicas=[REPLICA]),
    "another database's password": one("app", manual=True, owner="x"),
}


@pytest.mark.parametrize("rules", FINE.values(), ids=FINE.keys())
def test_what_only_looks_alike_is_no_problem(rules: str) -> None:
    assert found(f"rules:\n{rules}") == ()


@pytest.mark.parametrize(
    ("first", "second", "is_covered"),
    [
        ("owner: Team A", "owner: ' team a'", True),
        ("owner: Team A", "owner: Team B", False),
        ("owner: Straße", "owner: STRASSE", True),
        ("rotator: storage-key", "rotator: storage-key, feed: api", True),
        ("rotator: storage-key", f"rotator: {LOGIN}", False),
        ("feed: api", "feed: cli", False),
        ("feed: api", "accepted: true", False),
        ("feed: api", "feed: api, accepted: true", True),
        ("feed: api, accepted: true", "feed: api", False),
        ("match: {secret: 'a-*'}", "match: {secret: A-B}", True),
        ("match: {secret: a-b}", "match: {secret: 'a-*'}", False),
        ("match: {secret: 'a-*'}", "feed: api", False),
    ],
)
def test_a_rule_for_leaks_never_counts_behind_one_that_matches_all_that_it_does(
    first: str, second: str, *, is_covered: bool
) -> None:
    text = f"leaks: {{rules: [{{action: ask, {first}}}, {{action: cut off, {second}}}]}}\n"
    assert bool(found(text)) is is_covered


@given(policies.near(SCHEMA))
def test_no_document_whatever_makes_the_judging_fail(data: object) -> None:
    document, problems = check(json.dumps(data), policies.DEPLOYED, policies.ALL)
    assert (document is None) == bool(problems)


def test_all_problems_are_told_at_once() -> None:
    text = (
        "defaults: {rotationWindow: x}\nrules:\n"
        + many("*", rotator="x")
        + many("a", rotationWindow="y")
    )
    assert len(found(text)) == 4


def test_a_rule_that_never_counts_is_told_once_however_many_cover_it() -> None:
    leaks = ", ".join(["{action: ask, feed: api}"] * 3)
    assert len(found(f"leaks: {{rules: [{leaks}]}}\n")) == 2
    assert len(found("rules:\n" + many("a-*") * 3)) == 2


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"replicas": [f"{VAULT}/secrets/app"]}, "rules[0].replicas[0]"),
        ({"rotationWindow": "never"}, "rules[0].rotationWindow"),
        ({"validityPeriodDays": 30, "overlapHours": 720}, "rules[0].overlapHours"),
        ({"validityPeriodDays": 30, "rotateBeforeDays": 30}, "rules[0].rotateBeforeDays"),
    ],
)
def test_what_two_checks_would_find_in_one_rule_is_told_once(
    settings: dict[str, object], path: str
) -> None:
    (problem,) = found("rules:\n" + one("app", providerAddress=ACCOUNT, **settings))
    assert problem.startswith(f"{path}: ")


def test_a_replica_of_two_secrets_is_told_once_at_the_second() -> None:
    (problem,) = found(
        "rules:\n" + one("app", replicas=[REPLICA]) + one("app2", replicas=[REPLICA])
    )
    assert problem.startswith("rules[1].replicas[0]: ")


@pytest.mark.parametrize(
    "settings", [{"rotator": "storage-keys"}, {"valueTemplate": "{key} {nobody}"}]
)
def test_a_kind_or_a_template_that_does_not_do_is_told_once_beside_an_address(
    settings: dict[str, str],
) -> None:
    assert len(found("rules:\n" + one("app", providerAddress=ACCOUNT, **settings))) == 1


def test_a_signatures_key_is_named_by_its_own_tag_and_not_missed_in_a_document() -> None:
    rule = one("app", providerAddress=f"{ACCOUNT}/sas/container/uploads/rl")
    kinds = kinds_of(StorageKey, StorageSas)
    assert check(f"{policies.EMPTY}rules:\n{rule}", policies.DEPLOYED, kinds)[1] == ()


def test_a_pattern_that_would_take_for_ever_is_judged_at_once() -> None:
    assert len(found("rules:\n" + many("*a" * 63) + many("a" * 126) + many("a" * 126 + "b"))) == 1
