"""The small changes that are made to one function, one at a time. Pure."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
type Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Change:
    """One change of one function."""

    function: str
    """Its qualified name."""
    line: int
    what: str
    tree: ast.Module
    """The whole module, changed."""


def changes(source: str) -> Iterator[Change]:
    """Yield every change of every function of a module."""
    tree = ast.parse(source)
    for name, function in _functions(tree, ""):
        for number, node in enumerate(ast.walk(function)):
            for what, alter in _alterations(node, function):
                changed = copy.deepcopy(tree)
                again = dict(_functions(changed, ""))[name]
                alter(list(ast.walk(again))[number], again)
                yield Change(
                    name,
                    getattr(node, "lineno", function.lineno),
                    what,
                    ast.fix_missing_locations(changed),
                )


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{child.name}", child


type Alter = Callable[[ast.AST, Function], None]


def _alterations(node: ast.AST, function: Function) -> Iterator[tuple[str, Alter]]:
    match node:
        case ast.Compare(ops=[op]) if type(op) in COMPARED:
            yield f"{type(op).__name__} → {COMPARED[type(op)].__name__}", _compare
        case ast.BoolOp(op=op):
            yield f"{type(op).__name__} → the other", _either
        case ast.UnaryOp(op=ast.Not()):
            yield "not x → x", _affirm
        case ast.BinOp(op=op) if type(op) in COMPUTED and not _is_annotation(node, function):
            yield f"{type(op).__name__} → {COMPUTED[type(op)].__name__}", _compute
        case ast.Constant(value=bool() | int() as value):
            yield f"{value} → another", _constant
        case ast.If() | ast.IfExp() | ast.While():
            yield "if x → if not x", _negate
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield "return x → return None", _return
        case ast.Expr(value=ast.Call() | ast.Await()):
            yield "a call is left out", _leave_out


def _is_annotation(node: ast.AST, function: Function) -> bool:
    marks = [
        node.annotation
        for node in ast.walk(function)
        if isinstance(node, ast.arg) and node.annotation
    ]
    roots = [*marks, *filter(None, [function.returns])]
    return any(node is inner for root in roots for inner in ast.walk(root))


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _compare(node: ast.AST, _: Function) -> None:
    assert isinstance(node, ast.Compare)  # noqa: S101 - for the type
    node.ops = [COMPARED[type(node.ops[0])]()]


def _either(node: ast.AST, _: Function) -> None:
    assert isinstance(node, ast.BoolOp)  # noqa: S101 - for the type
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()


def _affirm(node: ast.AST, function: Function) -> None:
    assert isinstance(node, ast.UnaryOp)  # noqa: S101 - for the type
    _put(function, node, node.operand)


def _compute(node: ast.AST, _: Function) -> None:
    assert isinstance(node, ast.BinOp)  # noqa: S101 - for the type
    node.op = COMPUTED[type(node.op)]()


def _constant(node: ast.AST, _: Function) -> None:
    assert isinstance(node, ast.Constant)  # noqa: S101 - for the type
    node.value = not node.value if isinstance(node.value, bool) else int(str(node.value)) + 1


def _negate(node: ast.AST, _: Function) -> None:
    assert isinstance(node, ast.If | ast.IfExp | ast.While)  # noqa: S101 - for the type
    node.test = ast.UnaryOp(ast.Not(), node.test)


def _return(node: ast.AST, _: Function) -> None:
    assert isinstance(node, ast.Return)  # noqa: S101 - for the type
    node.value = ast.Constant(None)


def _leave_out(node: ast.AST, function: Function) -> None:
    _put(function, node, ast.Pass())


def _put(function: Function, old: ast.AST, new: ast.AST) -> None:
    """Put one node in another's place."""
    for parent in ast.walk(function):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list):
                value[:] = [new if item is old else item for item in value]
