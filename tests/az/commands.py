"""Every command of the Azure CLI that the repository tells somebody to run, or runs itself.

Pages are read by a Markdown parser and shell by a shell grammar, so a command is found wherever it
stands: in a block, in inline code, in a function or a substitution. What a reader fills in,
`<name>` or `$NAME`, comes from one table; a name that is not in it is an error.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import tree_sitter_bash
import yaml
from markdown_it import MarkdownIt
from tree_sitter import Language, Node, Parser

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    *(page for room in ("docs", "examples") for page in sorted((ROOT / room).rglob("*.md"))),
)
SHELL = tuple(
    path
    for room in ("scripts", "infra")
    for path in sorted((ROOT / room).rglob("*.sh"))
    if ".venv" not in path.parts
)
WORKFLOWS = (*sorted((ROOT / ".github").rglob("*.yml")), ROOT / "azure.yaml")
PRODUCT = ("api", "cli", "cloud", "engine", "leaks", "rotators", "scripts", "infra")
BASH = Parser(Language(tree_sitter_bash.language()))
COMMAND = re.compile(r"\baz ")
PLACEHOLDER = re.compile(r"<([A-Za-z][\w /-]*)>")
IN_A_MESSAGE = re.compile(r'(?:^|[\s`\'"(])az (login|[a-z]+ [a-z][^`\',;()]*[^`\',;().\s])')
"""A message ends a command with a mark of its own, or with itself. One word alone names a group of
commands."""


FILLED = "filled-in"
"""What a program puts into its own message."""


class UnknownPlaceholderError(Exception):
    """A command has a part that a reader fills in and the table does not know."""


@dataclass(frozen=True)
class Command:
    """One command: where it stands, and its arguments as a reader would type them."""

    source: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.source}: az {shlex.join(self.arguments)}"

    @property
    def words(self) -> str:
        """The command without its options, such as `keyvault secret show`."""
        options = (number for number, word in enumerate(self.arguments) if word.startswith("-"))
        return " ".join(self.arguments[: next(options, len(self.arguments))])

    @property
    def in_message(self) -> bool:
        """Whether a program or a template shows it, with values that are made up here."""
        return self.source.endswith((".py", ".bicep"))

    @property
    def names_only(self) -> bool:
        """Whether it has no options: then a text speaks of it, and its reader knows the rest."""
        return self.arguments == tuple(self.words.split())


def sources() -> list[Path]:
    """Return every file that holds commands."""
    code = (
        path
        for room in PRODUCT
        for suffix in ("py", "bicep")
        for path in sorted((ROOT / room).rglob(f"*.{suffix}"))
    )
    mine = (*PAGES, *SHELL, *WORKFLOWS, *(path for path in code if ".venv" not in path.parts))
    return [path for path in mine if path.exists() and any(True for _ in texts(path))]


def commands(path: Path, values: dict[str, str]) -> list[Command]:
    """Return the commands of one file, in its order."""
    name = str(path.relative_to(ROOT))
    return [Command(name, tuple(words)) for text in texts(path) for words in in_shell(text, values)]


def texts(path: Path) -> Iterator[str]:
    """Yield the pieces of a file that hold a command, as shell."""
    readers: dict[str, Callable[[str], Iterable[str]]] = {
        ".md": in_page,
        ".sh": lambda text: [text],
    }
    readers |= {".yml": in_workflow, ".yaml": in_workflow}
    readers |= {".py": in_python, ".bicep": in_template}
    whole_text = path.read_text()
    pieces = readers[path.suffix](whole_text) if COMMAND.search(whole_text) else ()
    yield from (text for text in pieces if COMMAND.search(text))


def in_page(text: str) -> Iterator[str]:
    """Yield blocks and inline code of a page."""
    for token in MarkdownIt().enable("table").parse(text):
        if token.type in ("fence", "code_block"):
            yield token.content
        yield from (child.content for child in token.children or () if child.type == "code_inline")


def in_workflow(text: str) -> Iterator[str]:
    """Yield what a workflow's steps run."""

    def runs(part: object) -> Iterator[str]:
        if isinstance(part, dict):
            yield from (
                value for key, value in part.items() if key == "run" and isinstance(value, str)
            )
        parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        for inner in parts:
            yield from runs(inner)

    # What GitHub fills in is no shell.
    yield from (re.sub(r"\$\{\{.*?\}\}", "github", run) for run in runs(yaml.safe_load(text)))


def in_python(text: str) -> Iterator[str]:
    """Yield the commands in a program's messages; what the program fills in is there already."""
    tree = ast.parse(text)
    joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for whole_text in joined for part in whole_text.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield from in_messages("".join(literal(part) or FILLED for part in node.values))
        elif id(node) not in parts and (message := literal(node)):
            yield from in_messages(message)


def literal(node: ast.AST) -> str:
    """Return the text that a node is, if it is one."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def in_template(text: str) -> Iterator[str]:
    """Yield the commands in a template's texts."""
    return in_messages(re.sub(r"(?<!:)//.*", "", text))


def in_messages(text: str) -> Iterator[str]:
    """Yield the commands in texts that are shown."""
    yield from (
        f"az {match[1]}" for match in IN_A_MESSAGE.finditer(re.sub(r"\$\{[^}]+\}", FILLED, text))
    )


def in_shell(text: str, values: dict[str, str]) -> Iterator[list[str]]:
    """Yield the arguments of each `az` in a piece of shell."""
    filled = PLACEHOLDER.sub(lambda match: looked_up(match[1], values), text).encode()
    for node in nodes(BASH.parse(filled).root_node):
        if node.type == "command" and node.named_children[0].text == b"az":
            yield [
                argument(child, values)
                for child in node.named_children[1:]
                if "redirect" not in child.type
            ]
        elif (
            node.type == "word"
            and node.text == b"az"
            and node.parent
            and node.parent.type != "command_name"
        ):
            raise UnknownPlaceholderError(
                f"a command stands behind another one, where it is not seen: {text}"
            )


def nodes(node: Node) -> Iterator[Node]:
    """Yield a node and everything inside it."""
    yield node
    for child in node.children:
        yield from nodes(child)


def argument(node: Node, values: dict[str, str]) -> str:
    """Return what the shell would hand over for one argument."""
    text = (node.text or b"").decode()
    match node.type:
        case "raw_string":
            return text[1:-1]
        case "simple_expansion":
            return looked_up(text[1:], values)
        case "expansion":
            name, cut, _ = text[2:-1].partition("##*/")
            value = looked_up(name, values)
            return value.rpartition("/")[2] if cut else value
        case "string" | "concatenation":
            return "".join(argument(child, values) for child in node.children if child.text != b'"')
        case "command_substitution":
            raise UnknownPlaceholderError(f"{text} stands inside a command: give it a name first")
        case _ if "…" in text:
            raise UnknownPlaceholderError(f"{text} leaves out what a reader has to type")
        case _:
            return re.sub(r"\\(.)", r"\1", text)


def looked_up(name: str, values: dict[str, str]) -> str:
    """Return what the table says for a name that a reader fills in."""
    if name not in values:
        raise UnknownPlaceholderError(
            f"{name} is in no table: add it to VALUES in tests/az/values.py"
        )
    return values[name]
