"""Every refusal of the simulated Resource Manager says where it was seen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ARM = Path(__file__).parents[2] / "simulator" / "arm"
FILES = sorted(ARM.rglob("*.py"))
TEMPLATES = ARM / "deployments"
"""What it refuses of a template, one refusal at a time."""
PASSED_ON = {"_bad"}
"""Functions that only put words into an answer."""


def refusing(module: ast.Module) -> Iterator[ast.FunctionDef]:
    """Yield each function that answers with an error of its own."""
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef) and function.name not in PASSED_ON:
            called = {
                getattr(node.func, "id", getattr(node.func, "attr", ""))
                for node in ast.walk(function)
                if isinstance(node, ast.Call)
            }
            if called & {"ArmError", *PASSED_ON}:
                yield function


def sourceless(text: str, *, each: bool) -> list[str]:
    """Return the functions without a source of their own, or with one of their module's."""
    module = ast.parse(text)
    of_all = not each and "Source" in (ast.get_docstring(module) or "")
    return [
        function.name
        for function in refusing(module)
        if not of_all and "https://" not in (ast.get_source_segment(text, function) or "")
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ARM)))
def test_a_refusal_names_its_source(file: Path) -> None:
    """For a template each its own; for other requests the module's documents will do."""
    assert sourceless(file.read_text(), each=TEMPLATES in file.parents) == []


def test_one_that_does_not_is_seen() -> None:
    refusal = 'def check() -> None:\n    raise ArmError(400, "Bad", "no")\n'
    assert sourceless(refusal, each=False) == ["check"]
    assert sourceless(f'"""Source: a document."""\n{refusal}', each=True) == ["check"]
    assert sourceless(f'"""Source: a document."""\n{refusal}', each=False) == []
