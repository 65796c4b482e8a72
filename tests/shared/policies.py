"""Policy documents, what a deployment grants, and a rig that has a document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from cloud.policy_store import CONTENT_TYPE
from cloud.settings import Settings
from engine.policy.check import check
from engine.secret import SecretRef
from engine.state.policy import Document, Policy
from rotators.service_principal_secret import ServicePrincipalSecret
from rotators.sql_admin_password import SqlAdminPassword
from rotators.sql_login_password import SqlLoginPassword
from rotators.storage_key import StorageKey
from simulator.keyvault.state import SecretVersion
from tests.shared.builders import GROUP, VAULT, kinds_of
from tests.shared.rig import Rig

PAGE = Path(__file__).parents[2] / "docs" / "policy.md"
OWN = SecretRef(VAULT, "rekey-policy")
DEPLOYED = Policy(
    {VAULT: (GROUP,), "https://other.vault.azure.net": (f"{GROUP}/providers/x",)}, own=OWN
)
ALL = kinds_of(StorageKey, ServicePrincipalSecret, SqlAdminPassword, SqlLoginPassword)
EMPTY = "version: 1\n"


def example() -> str:
    """Return the document that the page shows."""
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(text)


def document(text: str, deployed: Policy = DEPLOYED) -> Document:
    read, problems = check(EMPTY + text, deployed, ALL)
    assert not problems
    assert read
    return read


def policy(text: str) -> Policy:
    """Return what a deployment grants, under a document."""
    return DEPLOYED.under(document(text))


@dataclass
class PolicyRig(Rig):
    """A rig whose app reads a policy document."""

    @property
    def settings(self) -> Settings:
        return replace(super().settings, policy=SecretRef(self.vault.url, OWN.name))

    def push(self, text: str) -> SecretVersion:
        """Put a new version of the document into the vault, by hand, a second after the last."""
        self.clock.advance(1)
        return self.vault.put(OWN.name, text, content_type=CONTENT_TYPE)


JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, 1, 1.0, 1.5, -1, 10**9, "", "x", " ", [], {}, ["x"], {"x": 1}]
)


def near(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Return data that fits a schema, or nearly so."""
    return st.one_of(fitting(schema), fitting(schema), fitting(schema), JUNK)


def fitting(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Return data that fits a schema on its outside.

    It also has its bounds just before, at and just after them.
    """
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "integer":
            low, high = schema["minimum"], schema["maximum"]
            return st.sampled_from([low - 1, low, float(low), low + 0.5, high, high + 1])
        case "boolean":
            return st.booleans()
        case "array":
            return st.lists(near(schema["items"]), min_size=schema["minItems"], max_size=3)
        case "object":
            return an_object(schema)
        case _:
            return a_text(schema)


def an_object(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Return objects with all, or only some, of the keys that they need."""
    if schema["additionalProperties"]:
        return st.dictionaries(
            st.sampled_from(["https://a", "b"]), near(schema["additionalProperties"])
        )
    parts = {key: near(part) for key, part in schema["properties"].items()}
    needed = {key: parts.pop(key) for key in schema["required"]}
    whole = st.fixed_dictionaries(needed, optional=parts)
    return st.one_of(whole, whole, st.fixed_dictionaries({}, optional={**needed, "surplus": JUNK}))


def a_text(schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
    """Return texts of every length that matters, and such as a pattern wants."""
    lengths = [0, 1, 127, 128, schema.get("maxLength", 256), schema.get("maxLength", 256) + 1]
    plain = st.sampled_from(lengths).map(lambda length: "x" * length)
    return st.one_of(plain, st.from_regex(schema["pattern"])) if "pattern" in schema else plain
