"""A hook of mkdocs: brings the pages at the repository's root into the site, and corrects the links between both.

Event names and File.generated: https://www.mkdocs.org/dev-guide/plugins/#events.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
"""What the site shows of the repository's root."""


def on_files(files: Any, config: Any) -> Any:
    """Add the root's pages to those of docs/."""
    from mkdocs.structure.files import File

    for name in PAGES:
        files.append(File.generated(config, name, content=inside((ROOT / name).read_text())))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links to the root's pages to where the site has them."""
    if page.file.src_uri in PAGES:
        return markdown
    names = "|".join(map(re.escape, PAGES))
    return re.sub(rf"\]\((?:\.\./)+(?=(?:{names})[)#])", "](", markdown)


def inside(text: str) -> str:
    """Return a root page as it reads inside docs/: links into docs/ lose their folder, the README is the first page."""
    return text.replace("](docs/", "](").replace("](README.md", "](index.md")
