"""Find everything that is wrong with a policy document before it counts. Pure.

Its text is YAML or JSON, and is read into plain data: strictly, and within bounds. Each problem
names the path in the document and the fix.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from engine.kinds import Kinds
from engine.policy import schema as policy_schema
from engine.secret import SecretRef
from engine.state import template
from engine.state.policy import STANDARD, Document, Match, Policy, Rule, Webhook, tag, vault_url
from engine.state.record import parts_of
from engine.state.tag_texts import HOURS, Window
from engine.state.tags import DERIVED_FROM, Malformed, parse

SINGLE = tuple(policy_schema.ONE_SECRET)


def check(text: str, deployed: Policy, kinds: Kinds) -> tuple[Document | None, tuple[str, ...]]:
    """Read a policy document; return None and every problem if it cannot be followed.

    `deployed` is the policy that the settings grant.
    """
    data, problems = load(text)
    if isinstance(data, dict) and "version" not in data:
        # This may be the value of another secret, so none of its keys is shown.
        data, problems = {}, []
    if data is not None or not problems:
        problems += policy_schema.problems(data)
    if problems:
        return None, tuple(problems)
    document = Document.of(data)
    conflicts = tuple(_Review(data, document, deployed, kinds).problems())
    return (None, conflicts) if conflicts else (document, ())


@dataclass(frozen=True)
class _Review:
    """The problems that only show when parts of a document are compared with others.

    It also compares them with what the deployment grants.
    """

    data: Mapping[str, Any]
    document: Document
    deployed: Policy
    kinds: Kinds

    def problems(self) -> Iterator[str]:
        yield from self._vaults()
        yield from _settings("defaults", self.document.defaults, self.document.defaults)
        yield from self._template("defaults", self.document.defaults, self.document.defaults)
        for place, rule in enumerate(self.document.rules):
            path = f"rules[{place}]"
            yield from self._match(f"{path}.match", rule.match)
            yield from self._rule(place, path, rule)
            if rule.match.exact:
                yield from self._exact(place, path, rule, rule.match.exact)
        for place, consumers in enumerate(self.document.consumers):
            yield from self._match(f"consumers[{place}].match", consumers.match)
        for place, webhook in enumerate(self.document.webhooks):
            yield from _signing(f"notifications[{place}].signingSecret", webhook)
        yield from self._leaks()

    def _vaults(self) -> Iterator[str]:
        written = list(self.data.get("vaults", {}))
        for place, vault in enumerate(written):
            path, url = f"vaults.{vault}", vault_url(vault)
            if url in map(vault_url, written[:place]):
                yield f"{path}: stands here twice, in two spellings: remove one of them"
            elif not self.deployed.manages(url):
                yield f"{path}: is not served: add it to REKEY_VAULTS, or remove it here"
            else:
                for number, scope in enumerate(self.data["vaults"][vault]["scopes"]):
                    if not self.deployed.allows(url, scope.lower()):
                        yield (
                            f"{path}.scopes[{number}]: is wider than what REKEY_SCOPES binds "
                            "to the vault: a document can only narrow that"
                        )

    def _leaks(self) -> Iterator[str]:
        for place, leak in enumerate(self.document.leaks.rules):
            if leak.match:
                yield from self._match(f"leaks.rules[{place}].match", leak.match)
            yield from self._kind(f"leaks.rules[{place}].rotator", leak.kind)
            for number, earlier in enumerate(self.document.leaks.rules[:place]):
                if earlier.covers(leak):
                    path = f"leaks.rules[{place}]"
                    yield f"{path}: never counts, since leaks.rules[{number}] covers it: put it first"
                    break

    def _match(self, path: str, match: Match) -> Iterator[str]:
        if match.vault and not self.deployed.manages(match.vault):
            yield f"{path}.vault: is not served, so this never matches: name one of REKEY_VAULTS"

    def _kind(self, path: str, kind: str | None) -> Iterator[str]:
        if kind and kind not in self.kinds:
            yield f"{path}: write one of {', '.join(sorted(self.kinds))}"

    def _rule(self, place: int, path: str, rule: Rule) -> Iterator[str]:
        written = self.data["rules"][place]
        alone = [setting for setting in SINGLE if setting in written]
        for number, earlier in enumerate(self.document.rules[:place]):
            if earlier.match.holds(rule.match):
                yield f"{path}: never counts, since rules[{number}] covers it: put it first"
                break
        if alone and not rule.match.exact:
            at = f"{path}.{alone[0]}"
            yield f"{at}: is true of one secret only: match one vault and one name without *"
        if alone and written.get("manual"):
            yield f"{path}.manual: a person rotates it, so {alone[0]} has no meaning: remove one"
        yield from self._kind(f"{path}.rotator", written.get("rotator"))
        merged = {**self.document.defaults, **rule.settings}
        yield from _settings(path, rule.settings, merged)
        if "ProviderAddress" not in rule.settings:
            yield from self._template(path, rule.settings, merged)

    def _template(
        self, path: str, own: Mapping[str, str], merged: Mapping[str, str]
    ) -> Iterator[str]:
        """Check a template whose source is not known here.

        It must suit the kind of credential if that is known, otherwise at least one kind.
        """
        shape, kind = own.get("ValueTemplate"), merged.get("Rotator", "")
        if not shape:
            return
        kinds = [self.kinds[kind]] if kind in self.kinds else self.kinds.values()
        lists = [
            template.problems(shape, known.template_fields, known.value_field) for known in kinds
        ]
        if len(lists) == 1:
            yield from (_with_path(path, problem) for problem in lists[0])
        elif all(lists):
            yield f"{path}.valueTemplate: fits no kind of credential: see the page of the kind"

    def _exact(self, place: int, path: str, rule: Rule, ref: SecretRef) -> Iterator[str]:
        if self.deployed.is_own(ref):
            yield f"{path}.match: is the secret that holds this document: remove the rule"
        policy, source = self.deployed.under(self.document), ""
        if "ProviderAddress" in rule.settings:
            tags = {key: text for key, text in rule.settings.items() if key not in _SEEN_ALONE}
            managed = parse({**tags, "ValidityPeriodDays": "3650"}, policy, self.kinds)
            if isinstance(managed, Malformed):
                for problem in managed.problems:
                    if not problem.startswith(("tag Rotator", f"tag {DERIVED_FROM} is missing")):
                        yield _with_path(path, problem)
            else:
                source = managed.source
                yield from self._source(place, path, ref, source)
        urls = self.data["rules"][place].get("replicas", ())
        replicas = [SecretRef.parse(url.lower()) for url in urls]
        for number, replica in enumerate(replicas):
            if replica in replicas[:number]:
                yield f"{path}.replicas[{number}]: stands twice: remove one of them"
            yield from self._replica(place, f"{path}.replicas[{number}]", ref, source, replica)

    def _source(self, place: int, path: str, ref: SecretRef, source: str) -> Iterator[str]:
        at = f"{path}.providerAddress"
        if not self.deployed.under(self.document).allows(ref.vault, source):
            yield f"{at}: is outside the scopes bound to {ref.vault}: correct it or REKEY_SCOPES"
        for number, earlier in enumerate(self.document.rules[:place]):
            if self._same_source(earlier, source):
                yield f"{at}: is what rules[{number}] rotates already: keep one secret a source"

    def _same_source(self, rule: Rule, source: str) -> bool:
        address = rule.settings.get("ProviderAddress", "")
        return any(
            {*parts_of(kind.canonical(address, rule.settings) or "")} & {*parts_of(source)}
            for kind in self.kinds.claiming(address)
        )

    def _replica(
        self, place: int, path: str, primary: SecretRef, source: str, ref: SecretRef
    ) -> Iterator[str]:
        if ref == primary:
            yield f"{path}: is the secret itself: remove it"
        elif self.deployed.is_own(ref):
            yield f"{path}: is the secret that holds this document: remove it"
        elif not self.deployed.manages(ref.vault):
            yield f"{path}: its vault is not served: add it to REKEY_VAULTS, or remove the replica"
        elif source and not self.deployed.under(self.document).allows(ref.vault, source):
            yield f"{path}: its vault is not bound to the source: see REKEY_SCOPES, or remove it"
        yield from self._again(place, path, primary, ref)

    def _again(self, place: int, path: str, primary: SecretRef, ref: SecretRef) -> Iterator[str]:
        """Say which other rules name a replica, too."""
        for number, other in enumerate(self.document.rules):
            others = other.settings.get("Replicas", "").lower().split(",")
            if number != place and ref == other.match.exact and _manages(other):
                loop = ", whose replica is this rule's secret: a loop"
                loop = loop if str(primary) in others else ""
                yield f"{path}: is managed itself by rules[{number}]{loop}: remove it here or there"
            elif number < place and str(ref) in others:
                yield f"{path}: is a replica in rules[{number}] already: keep one of them"


_SEEN_ALONE = frozenset({"RotateBeforeDays", "OverlapHours", "RotationWindow", "Replicas"})
"""Tags that can be checked without knowing the source."""


def _manages(rule: Rule) -> bool:
    return any(tag(setting) in rule.settings for setting in SINGLE)


def _signing(path: str, webhook: Webhook) -> Iterator[str]:
    if webhook.kind == STANDARD and not webhook.signing:
        yield f"{path}: is missing: events are signed, so name the secret that holds a key"
    if webhook.kind != STANDARD and webhook.signing:
        yield f"{path}: a chat checks no signature: remove it, or write kind: standard"
    if webhook.signing.lower() == webhook.secret.lower():
        yield f"{path}: holds the webhook's URL: name another secret for the key"


def _settings(path: str, own: Mapping[str, str], merged: Mapping[str, str]) -> Iterator[str]:
    """Check windows and spans, which do not depend on the source."""
    if window := own.get("RotationWindow"):
        try:
            Window.parse(window)
        except ValueError:
            yield f"{path}.rotationWindow: never opens, or is not a window: write {HOURS}"
    validity = int(merged.get("ValidityPeriodDays", 0)) * 24
    for name, hours in (("RotateBeforeDays", 24), ("OverlapHours", 1)):
        if name in own and validity and int(own[name]) * hours >= validity:
            yield f"{path}.{_setting(name)}: spans the whole validityPeriodDays: make it shorter"


def _with_path(path: str, problem: str) -> str:
    """Replace the tag at the start of a problem by the path of the setting that it stands for."""
    return re.sub(r"^(?:tag )?([A-Z]\w+) ", lambda match: f"{path}.{_setting(match[1])}: ", problem)


def _setting(tag: str) -> str:
    return tag[0].lower() + tag[1:]


MAX_BYTES = 25_600
"""The longest value of a secret.

https://learn.microsoft.com/azure/key-vault/secrets/about-secrets
"""


def load(text: str) -> tuple[Any, list[str]]:
    """Return the data and the problems of a text: JSON if it starts with `{`, otherwise YAML.

    No problem quotes a value, because the text comes from a vault.
    """
    if len(text.encode(errors="replace")) > MAX_BYTES:
        return None, [
            f"the document is longer than the {MAX_BYTES} bytes that a secret holds: shorten it"
        ]
    try:
        data, problems = _json(text) if text.lstrip().startswith("{") else _yaml(text)
        broken = [path for path, value in _texts(data, "") if not value.isprintable()]
    except RecursionError:
        return None, ["the document is nested too deeply"]
    unprintable = "contains a line break or an unprintable character: write it on one line"
    return data, problems + [f"{path}: {unprintable}" for path in broken]


def _json(text: str) -> tuple[Any, list[str]]:
    twice: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twice.extend(_twice(key, "") for key in dict.fromkeys(keys) if keys.count(key) > 1)
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=unique), twice
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        return None, [f"{place}: not JSON, although it starts with {{: {error.msg}"]
    except ValueError:
        return None, ["the document is not JSON: a number is too long"]


NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
"""A number that means the same in YAML 1.1, YAML 1.2 and JSON: to PyYAML 010 is 8, and 1:30 is 90."""
HIDDEN_BREAK = re.compile("[\x85\u2028\u2029]")
"""Where a line ends for YAML 1.1, but not for YAML 1.2 and editors: a comment goes on there."""


def _yaml(text: str) -> tuple[Any, list[str]]:
    if hidden := HIDDEN_BREAK.search(text):
        before = text[: hidden.start()]
        place = f"line {before.count('\n') + 1}, column {hidden.start() - before.rfind('\n')}"
        return None, [
            f"{place}: a line ends in a way that editors do not show: remove the character"
        ]
    try:
        loader = _Strict(text)
        return loader.get_single_data(), loader.problems
    except yaml.MarkedYAMLError as error:
        problem = re.sub("tag handle .*", "tag handle", str(error.problem))
        return None, [f"{_place(error.problem_mark)}not YAML: {problem}"]
    except (yaml.YAMLError, ValueError):
        return None, ["the document is not YAML: it contains an invalid character, date or number"]


class _Strict(yaml.SafeLoader):
    """Only plain YAML data: no anchors, which multiply data, and no tags, which build objects."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.problems: list[str] = []

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if event.anchor or getattr(event, "tag", None):
            raise yaml.MarkedYAMLError(
                problem="anchors, aliases and tags are not allowed", problem_mark=event.start_mark
            )
        node = super().compose_node(parent, index)
        if node and node.tag.endswith((":int", ":float")) and not NUMBER.fullmatch(node.value):
            self.problems.append(
                f"{_place(node.start_mark)}is no decimal number: write it without leading zeros, "
                "signs, colons and underscores"
            )
        return node

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002 - PyYAML's
    ) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                self.problems.append(f"{_place(key.start_mark)}a key is not text: put it in quotes")
            elif key.value in seen:
                self.problems.append(_twice(key.value, _place(key.start_mark)))
            seen.add(str(key.value))
        node.value = [
            (key, value) for key, value in node.value if key.tag == "tag:yaml.org,2002:str"
        ]
        return super().construct_mapping(node, deep)


def _twice(key: str, place: str) -> str:
    return f"{place}the key {key[:40]!r} stands twice: remove one of them"


def _place(mark: yaml.Mark | None) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""


def _texts(data: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(data, str):
        yield path or "the document", data
    elif isinstance(data, dict):
        for key, value in data.items():
            shown = ascii(key[:40])[1:-1]
            yield f"{path} (a key)".strip(), key
            yield from _texts(value, f"{path}.{shown}".lstrip("."))
    elif isinstance(data, list):
        for place, value in enumerate(data):
            yield from _texts(value, f"{path}[{place}]")
