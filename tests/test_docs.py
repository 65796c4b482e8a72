"""The documentation held against the code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from api import answers
from api.request_models import IncidentBody, RestoreBody, RetireBody, RotateBody
from cloud.settings import KNOWN
from engine.policy import schema
from engine.policy.check import load
from engine.state import tags
from rotators import KINDS, registry
from rotators.shared.two_keys import TwoKeys
from tests.shared.makefile import make_targets

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *(page for room in ("docs", "examples") for page in sorted((ROOT / room).rglob("*.md"))),
]


@cache
def tokens(page: Path) -> list[Token]:
    """Return what a page is made of."""
    return MarkdownIt("commonmark").enable("table").parse(page.read_text())


def sections(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_link_leads_to_a_file_and_a_section_that_exist() -> None:
    links = [
        (page, page.parent / file if file else page, section)
        for page in PAGES
        for file, section in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text())
    ]
    assert len(links) > 100
    assert [(page, to) for page, to, _ in links if not to.exists()] == []
    assert [link for link in links if link[2] and link[2] not in sections(link[1])] == []


def test_every_make_target_that_a_page_names_exists() -> None:
    named = {
        name
        for page in PAGES
        for name in re.findall(r"(?:^    |`)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    }
    assert named
    assert named <= make_targets()


def test_every_setting_that_the_app_reads_is_in_the_readme_and_none_besides() -> None:
    readme = (ROOT / "README.md").read_text()
    assert set(re.findall(r"REKEY_[A-Z_]+", readme)) <= KNOWN
    for name in KNOWN:
        assert name in readme


OF_0_2 = """
ai-services-key app-configuration-key batch-key communication-key container-registry-password
cosmos-db-key event-hubs-key maps-key mysql-admin-password mysql-user-password
postgresql-admin-password postgresql-role-password search-admin-key service-bus-key
service-principal-secret signalr-key sql-admin-password sql-login-password storage-key
web-pubsub-key

REKEY_ARM_ENDPOINT REKEY_ENDPOINTS REKEY_EVENT_TOPIC REKEY_GRAPH_ENDPOINT REKEY_IDENTITY_NAME
REKEY_POLICY REKEY_RUNBOOK REKEY_SCOPES REKEY_SWEEP_SCHEDULE REKEY_VAULTS

consumers credentialId database defaults kind logins manual match notifications overlapHours owner
providerAddress replicas resources rotateBeforeDays rotationWindow rotator rules scopes secret
slack tagsMayOverride teams validityPeriodDays valueTemplate vault vaults version webhookSecret
"""
"""The kinds, settings and words of a policy document that 0.2.0 knows."""


def words(shape: Any) -> Iterator[str]:
    """Yield the words of a policy document of this shape, but for those below `leaks`."""
    yield from shape.get("enum", ())
    for name, part in shape.get("properties", {}).items():
        yield name
        yield from () if name == "leaks" else words(part)
    for part in filter(None, (shape.get("items"), shape.get("additionalProperties"))):
        yield from words(part)


def test_the_way_back_to_0_2_names_every_kind_setting_and_word_that_it_does_not_know() -> None:
    page = (ROOT / "docs/upgrade.md").read_text().partition("## Go back")[2]
    later = {*KINDS, *KNOWN, *words(schema.SCHEMA)} - {*OF_0_2.split()}
    assert later
    assert later <= {*re.findall(r"`([\w-]+)`", page)}


def test_every_tag_that_the_code_reads_is_on_the_page_of_tags() -> None:
    code = "".join(path.read_text() for path in (ROOT / "engine").rglob("*.py"))
    read = (
        set(re.findall(r'(?:tags\.get\(|tags\[|read\()"([A-Z]\w+)"', code))
        | tags.OURS
        | {tags.REPLICA_OF}
    )
    page = (ROOT / "docs" / "tags.md").read_text()
    assert "ProviderAddress" in read
    assert not [tag for tag in read if f"`{tag}`" not in page]


@pytest.mark.parametrize(
    "maker",
    [
        maker
        for maker in registry.ROTATORS
        if isinstance(maker, type) and issubclass(maker, TwoKeys)
    ],
    ids=lambda maker: maker.kind,
)
def test_the_page_of_a_kind_with_two_keys_states_its_facts(maker: type[TwoKeys]) -> None:
    page = (ROOT / "docs" / "rotators" / f"{maker.kind}.md").read_text()
    facts = maker.facts
    names = [slot.name for pair in facts.pairs for slot in pair.slots]
    fields = [f"{{{name}}}" for name in maker.template_fields]
    expected = [*names, *fields, *facts.switches]
    assert not [fact for fact in expected if f"`{fact}`" not in page]
    assert f"`{maker.kind}s`" in page
    assert "(../two-keys.md)" in page


def test_the_repository_names_no_machine_path() -> None:
    for page in PAGES:
        assert not re.search(r"/(work|root|home|tmp)/", page.read_text()), page.name


def test_every_test_that_the_threat_model_names_exists() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text()
    code = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", page))
    assert named
    assert not sorted(name for name in named if f"def {name}(" not in code)


def test_every_promise_names_its_tests_and_they_exist() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    rows = dict(re.findall(r"^\| (P\d) \| .* \| (.*) \|$", page, re.MULTILINE))
    assert set(rows) == {f"P{number}" for number in range(1, 9)}
    for promise, cell in rows.items():
        named = [name for name in re.findall(r"`([^`]+)`", cell) if name.endswith(".py")]
        assert named, f"{promise} names no test"
        assert not [path for path in named if not (ROOT / path).exists()], promise


def test_every_threat_names_a_test() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text()
    rows = page.partition("| threat | control |")[2].partition("\n\n")[0].splitlines()[2:]
    assert rows
    assert not [row for row in rows if "`test_" not in row.rpartition(" | ")[2]]


def test_the_page_of_the_api_has_every_status_of_a_refusal_and_every_field_of_a_body() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    statuses = {kind.status for _, kind in answers.KINDS} | {answers.FAILED.status}
    assert {int(row) for row in re.findall(r"^\| (\d{3}) \|", page, re.MULTILINE)} >= statuses
    verbs = {"rotate": RotateBody, "retire": RetireBody, "restore": RestoreBody}
    table = page.partition("Optional JSON body:")[2].partition("###")[0]
    for verb, body in verbs.items():
        for field in set(body.__struct_fields__) - {"reason"}:
            assert f"| `{field}` | `{verb}` |" in table
    incident = page.partition("### An incident")[2].partition("###")[0]
    assert not [it for it in IncidentBody.__struct_fields__ if f"`{it}" not in incident]


def test_every_rule_that_a_threat_names_is_one_of_the_formal_model() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text().partition("## Threats")[2]
    bugs = tomllib.loads((ROOT / "docs" / "spec" / "models.toml").read_text())["bug"]
    brackets = re.findall(r"\((`[a-z ]+`(?:, `[a-z ]+`)*)\)|such as (`[a-z ]+`)", page)
    named = {name for pair in brackets for name in re.findall(r"`([a-z ]+)`", "".join(pair))}
    assert len(named) > 5
    assert named <= {bug["without"] for bug in bugs}


def test_every_policy_that_a_page_shows_has_the_shape_of_one() -> None:
    keys = "|".join(schema.SCHEMA["properties"])
    texts = [
        (page.name, token.content)
        for page in PAGES
        for token in tokens(page)
        if token.type in {"code_block", "fence"} and re.match(rf"(# .*\n)*({keys}):", token.content)
    ]
    assert {"consumers.md", "leaks.md", "notifications.md", "policy.md"} <= {it for it, _ in texts}
    for page, text in texts:
        data, problems = load(text if "version: 1" in text else f"version: 1\n{text}")
        assert [*problems, *schema.problems(data)] == [], page


def test_the_glossary_has_every_word_that_is_explained_at_length() -> None:
    explained = re.findall(r"^## (\w+)$", (ROOT / "docs" / "concepts.md").read_text(), re.MULTILINE)
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert {word.lower() for word in explained} <= set(rows)
    assert len(explained) == 8


def test_no_blank_line_splits_a_table() -> None:
    for page in PAGES:
        texts = [it.content for it in tokens(page) if it.type == "inline"]
        assert not [text for text in texts if text.startswith("|")], page


def test_the_page_of_the_formal_model_lists_every_bug_and_what_it_breaks() -> None:
    page = (ROOT / "docs" / "spec" / "README.md").read_text().partition("| without |")[2]
    bugs = tomllib.loads((ROOT / "docs" / "spec" / "models.toml").read_text())["bug"]
    rows = re.findall(r"^\| `([a-z ]+)` \| .* \| `(\w+)` \|$", page, re.MULTILINE)
    assert sorted(rows) == sorted((bug["without"], bug["breaks"]) for bug in bugs)


def test_every_path_that_has_owners_exists() -> None:
    lines = (ROOT / ".github" / "CODEOWNERS").read_text().splitlines()
    rules = [line.split() for line in lines if line and not line.startswith("#")]
    assert rules[0][0] == "*", "whatever no later line names has owners, too"
    assert not [path for path, *_ in rules[1:] if not (ROOT / path.strip("/")).exists()]
    assert all(owner.startswith("@") for _, *owners in rules for owner in owners)
