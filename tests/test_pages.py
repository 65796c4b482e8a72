"""What a stranger meets first: pictures, counts, the API's reference and the pages of authors."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from jsonschema import Draft202012Validator

from api.routes import ROUTES, document
from rotators import KINDS
from scripts import api_reference
from scripts.site_pages import PAGES as FROM_THE_ROOT
from scripts.site_pages import inside, with_kinds
from tests.infra.queries import tiles
from tests.test_docs import PAGES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DRAWN = sorted((DOCS / "images").glob("*.svg"))
REFERENCE = api_reference.PAGE.read_text()
OF_AUTHORS = ("proof.md", "decisions.md", "local-host.md", "spec/README.md")


def test_the_first_twenty_lines_say_what_for_whom_what_not_yet_and_show_a_picture() -> None:
    top = "\n".join((ROOT / "README.md").read_text().splitlines()[:20])
    for part in ("**What**", "**For whom**", "**Not yet**", "](docs/images/rotation.svg)"):
        assert part in top


def test_no_page_has_a_diagram_that_only_a_script_from_elsewhere_can_draw() -> None:
    assert [page.name for page in PAGES if "```mermaid" in page.read_text()] == []


@pytest.mark.parametrize("picture", DRAWN, ids=lambda path: path.stem)
def test_a_drawn_picture_is_told_in_words_suits_both_schemes_and_loads_nothing(
    picture: Path,
) -> None:
    text = picture.read_text()
    root = ET.fromstring(text)  # noqa: S314 - our own file
    space = "{http://www.w3.org/2000/svg}"
    assert all(root.findtext(f"{space}{part}") for part in ("title", "desc"))
    assert "prefers-color-scheme: dark" in text
    assert re.findall(r"(?:href|src)=|url\((?!#)|<script|@import", text) == []
    assert any(picture.name in page.read_text() for page in PAGES)


def test_the_drawing_of_the_workbook_has_its_tiles_in_their_order() -> None:
    text = (DOCS / "images" / "workbook.svg").read_text()
    titles = [title.partition(":")[0] for title in tiles()]
    places = [text.index(f">{title}<") for title in titles]
    assert sorted(places) == places


@pytest.mark.parametrize("name", OF_AUTHORS)
def test_a_page_of_authors_begins_with_a_paragraph_for_everybody_else(name: str) -> None:
    _, first, *_ = (DOCS / name).read_text().split("\n\n")
    assert first.startswith("For whoever ")


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    listed = (ROOT / "mkdocs.yml").read_text()
    names = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    kinds = {f"rotators/{kind}.md" for kind in KINDS}
    assert [name for name in names - kinds if f" {name}\n" not in listed] == []
    nav = with_kinds([{"Use it": ["deploy.md"]}, {"Kinds": ["two-keys.md"]}])
    assert nav == [{"Use it": ["deploy.md"]}, {"Kinds": ["two-keys.md", *sorted(kinds)]}]


def test_a_page_from_the_root_is_listed_and_links_to_pages_of_the_site() -> None:
    listed = (ROOT / "mkdocs.yml").read_text()
    assert [name for name in FROM_THE_ROOT if f" {name}\n" not in listed] == []
    for name in FROM_THE_ROOT:
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", inside((ROOT / name).read_text()))
        assert [to for to in links if to not in FROM_THE_ROOT and not (DOCS / to).exists()] == []


def test_the_reference_of_the_api_is_what_the_code_serves() -> None:
    assert api_reference.page() == REFERENCE, "run: python -m scripts.api_reference"


def test_every_body_of_the_reference_is_one_that_its_call_takes() -> None:
    paths = {f"/api/{route.path}": route for route in ROUTES}
    bodies = 0
    for section in REFERENCE.split("\n## ")[1:]:
        method, path = section.splitlines()[0].split()
        route = next(r for r in ROUTES if (r.method, f"/api/{r.path}") == (method, path))
        words = shlex.split(re.findall(r"```sh\n(.*)\n```", section)[0])
        if "-d" in words:
            assert route.body
            assert msgspec.json.decode(words[words.index("-d") + 1], type=route.body)
            bodies += 1
        assert path in paths
    assert bodies == sum(route.body is not None for route in ROUTES)


def test_every_answer_of_the_reference_is_one_that_the_document_allows() -> None:
    described = document()
    judged = 0
    for section in REFERENCE.split("\n## ")[1:]:
        method, path = section.splitlines()[0].split()
        responses = described["paths"][path][method.lower()]["responses"]
        for status, text in re.findall(
            r"(\d{3}), [^\n]*:\n\n```json\n(.*?)```", section, re.DOTALL
        ):
            schema: Any = responses[status]["content"]["application/json"]["schema"]
            whole = {**schema, "components": described["components"]}
            assert list(Draft202012Validator(whole).iter_errors(json.loads(text))) == []
            judged += 1
    assert judged > len(ROUTES) / 2
