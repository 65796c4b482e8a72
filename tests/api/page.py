"""A page as a parser sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from tests.shared.rig import Rig
from tests.shared.scene import send

VOID = frozenset({"meta", "link", "input", "br", "col", "wbr"})


@dataclass
class Element:
    """An element with its attributes, its elements and its text."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Return every element inside with this tag and these attributes, in order."""
        expected = attributes.items()
        matches = [
            child
            for child in self.children
            if (not tag or child.tag == tag) and expected <= child.attributes.items()
        ]
        return [
            match
            for child in self.children
            for match in ([child] if child in matches else []) + child.all(tag, **attributes)
        ]

    def one(self, tag: str = "", **attributes: str) -> Element:
        (element,) = self.all(tag, **attributes)
        return element

    @property
    def text(self) -> str:
        """All text inside, in order of the elements."""
        return " ".join(" ".join([*self.texts, *(child.text for child in self.children)]).split())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: text or "" for name, text in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: text or "" for name, text in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.open[-1].texts.append(data)


def read(text: str) -> Element:
    """Read a page; an element that is not closed, or closed twice, fails the test."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    (root,) = reader.open
    return root


HOSTILE = (
    "</bdi><script>alert('owned')</script><img src=x onerror=alert(1)> \"'& \u202eexe.txt\u200f"
)
"""What somebody may write into a tag or a query."""


async def shown(rig: Rig, **query: str) -> Element:
    """Return the inventory, or the page that the query names."""
    answer = await send(rig.api(), "http_dashboard", query=query)
    assert (answer.status, answer.content_type) == (200, "text/html"), answer.body
    return read(answer.text())
