"""The shape of a policy document.

The published schema, what Rekey makes of it, and that both agree.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from engine.policy.check import load
from engine.policy.schema import SCHEMA, SETTINGS, problems
from engine.state.policy import as_tags
from tests.shared import policies

PUBLISHED = json.loads(policies.PAGE.with_name("policy.schema.json").read_text())
JUDGE = Draft202012Validator(PUBLISHED)


def test_what_is_published_is_what_counts() -> None:
    assert json.loads(json.dumps(SCHEMA)) == PUBLISHED, (
        "write docs/policy.schema.json anew from engine.policy.schema.SCHEMA"
    )
    Draft202012Validator.check_schema(PUBLISHED)


@given(policies.near(SCHEMA))
def test_what_the_published_schema_refuses_is_refused_and_nothing_else(data: Any) -> None:
    assert JUDGE.is_valid(data) == (not list(problems(data)))


def test_the_agreement_is_tried_on_both_sides() -> None:
    data, _ = load(policies.example())
    assert JUDGE.is_valid(data)
    assert not list(problems(data))
    assert not JUDGE.is_valid({**data, "surplus": 1})
    assert list(problems({**data, "surplus": 1}))


def test_all_problems_come_at_once_each_with_its_path() -> None:
    text = """
version: 2
defalts: {}
defaults: {rotateBeforeDays: soon, overlapHours: 8761, validityPeriodDays: true}
rules:
  - match: {secret: "a b"}
    rotationWindow: 3
    replicas: [x]
  - {match: {}, manual: "yes", owner: "", logins: [a]}
  - overlapHours: 1.5
vaults: {"https://prod.vault.azure.net": {scopes: /subscriptions/x}}
notifications: [{kind: email, webhookSecret: "https://hooks.example/planted"}]
consumers: [{match: {secret: a}, resources: [/subscriptions/1/resourceGroups/g/providers/Microsoft.Storage/x/y]}]
tagsMayOverride: [credentialid]
"""
    listed = list(problems(load(text)[0]))
    assert [problem.split(": ")[0] for problem in listed] == [
        "version",
        "defalts",
        "defaults.rotateBeforeDays",
        "defaults.overlapHours",
        "defaults.validityPeriodDays",
        "rules[0].match.secret",
        "rules[0].rotationWindow",
        "rules[0].replicas[0]",
        "rules[1].match.secret",
        "rules[1].manual",
        "rules[1].owner",
        "rules[1].logins",
        "rules[2].match",
        "rules[2].overlapHours",
        "vaults.https://prod.vault.azure.net.scopes",
        "notifications[0].kind",
        "notifications[0].webhookSecret",
        "consumers[0].resources[0]",
        "tagsMayOverride[0]",
    ]
    assert "planted" not in "".join(listed)
    assert "soon" not in "".join(listed)


@pytest.mark.parametrize(
    ("setting", "inside", "outside"),
    [
        ("owner", ["x", "x" * 256], ["", "x" * 257]),
        ("overlapHours", [0, 8760, 8760.0], [-1, 8761, 0.5]),
        ("logins", [["a", "b"]], [["a"], ["a", "b", "c"]]),
        ("replicas", [[f"{policies.OWN}"] * 20], [[], [f"{policies.OWN}"] * 21]),
    ],
)
def test_a_bound_that_a_setting_has_is_inside_it(
    setting: str, inside: list[Any], outside: list[Any]
) -> None:
    for value in (*inside, *outside):
        rules = [{"match": {"secret": "*"}, setting: value}]
        assert (not list(problems({"version": 1, "rules": rules}))) is (value in inside), value


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("defalts", "did you mean defaults?"),
        ("Rules", "did you mean rules?"),
        ("zzz", "known here are version, "),
    ],
)
def test_an_unknown_key_comes_with_the_one_that_was_probably_meant(key: str, hint: str) -> None:
    (problem,) = problems({"version": 1, key: []})
    assert problem.startswith(f"{key}: is unknown: ")
    assert hint in problem


def test_a_long_key_is_shown_by_its_start() -> None:
    (problem,) = problems({"version": 1, "x" * 300: 1})
    assert problem.startswith(f"{'x' * 40}: is unknown: ")


@pytest.mark.parametrize("data", [None, [], "version: 1", 1, {}])
def test_what_is_no_document_is_refused(data: object) -> None:
    assert list(problems(data))


def test_every_setting_is_a_tag_on_the_page_of_tags() -> None:
    page = (policies.PAGE.parent / "tags.md").read_text()
    for tag in as_tags(dict.fromkeys(SETTINGS, "x")):
        assert f"| `{tag}` |" in page
