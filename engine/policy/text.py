"""Read the text of a policy document, YAML or JSON, into plain data: strictly, within bounds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml

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


def _yaml(text: str) -> tuple[Any, list[str]]:
    try:
        loader = _Strict(text)
        return loader.get_single_data(), loader.problems
    except yaml.MarkedYAMLError as error:
        return None, [f"{_place(error.problem_mark)}not YAML: {error.problem}"]
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
        return super().compose_node(parent, index)

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
