"""A hook of mkdocs: it adds the pages of the kinds and of the root, and corrects the links.

Event names and File.generated: https://www.mkdocs.org/dev-guide/plugins/#events.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "simulated-azure/README.md",
)
"""The pages outside docs/ that the site shows."""


def on_config(config: Any) -> Any:
    """Add the page of each kind to the navigation."""
    config["nav"] = with_kinds(config["nav"])
    return config


def with_kinds(nav: list[Any]) -> list[Any]:
    """Return the navigation with the page of each kind below "Kinds"."""
    pages = sorted(f"rotators/{page.name}" for page in (ROOT / "docs" / "rotators").glob("*.md"))
    return [
        {"Kinds": [*part["Kinds"], *pages]} if isinstance(part, dict) and "Kinds" in part else part
        for part in nav
    ]


def on_files(files: Any, config: Any) -> Any:
    """Add the root's pages to those of docs/."""
    from mkdocs.structure.files import File

    for name in PAGES:
        files.append(File.generated(config, name, content=inside((ROOT / name).read_text())))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Correct the links to the root's pages."""
    if page.file.src_uri in PAGES:
        return markdown
    names = "|".join(map(re.escape, PAGES))
    return re.sub(rf"\]\((?:\.\./)+(?=(?:{names})[)#])", "](", markdown)


def inside(text: str) -> str:
    """Return a root page with links as inside docs/, where the README is the first page."""
    return text.replace("](docs/", "](").replace("](README.md", "](index.md")
