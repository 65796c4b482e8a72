"""The small changes that are made to one function, one at a time. Pure.

What no test could notice, or need not, is no change: an annotation, the text of a log or of an error
that is raised, and what another change does too (`if not x` beside `not x`). Only what stands in the
body of a function is changed: decorators and defaults are made once, when a module is imported.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256

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
NEGATED = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
"""Those of which the change is the negation."""
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
OPPOSITES = {"any": "all", "all": "any", "min": "max", "max": "min"}
LONGEST = 80
"""So much of what is changed stands in a change's name."""

type Function = ast.FunctionDef | ast.AsyncFunctionDef
type Alter = Callable[[ast.AST, ast.AST], None]


@dataclass(frozen=True)
class Change:
    """One change of one function."""

    module: ast.Module
    function: str
    """Its qualified name."""
    digest: str
    """Of the function as it is: what is known about a change holds for this text alone."""
    number: int
    """Which node of the function is changed."""
    lines: range
    """The lines of the statement that is changed, or of its head."""
    what: str
    alter: Alter

    def made(self) -> ast.Module:
        """Return the whole module, changed."""
        module = copy.deepcopy(self.module)
        function = dict(_functions(module, ""))[self.function]
        nodes = list(ast.walk(function))
        self.alter(nodes[self.number], function)
        if any(isinstance(node, ast.Name) and node.id == "super" for node in nodes):
            # Code fits a function of the same free variables alone, and `super` has one.
            function.body.append(ast.Expr(ast.Name("__class__", ast.Load())))
        return ast.fix_missing_locations(module)


def changes(source: str) -> Iterator[Change]:
    """Yield every change of every function of a module. No two have the same name."""
    module, seen = ast.parse(source), Counter[tuple[str, str]]()
    for name, function in _functions(module, ""):
        for change in _changes(module, name, function):
            key = (name, change.what)
            seen[key] += 1
            again = f" #{seen[key]}" if seen[key] > 1 else ""
            yield replace(change, what=change.what + again)


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{child.name}", child


def _changes(module: ast.Module, name: str, function: Function) -> Iterator[Change]:
    numbers = {id(node): number for number, node in enumerate(ast.walk(function))}
    digest = sha256(ast.dump(function).encode()).hexdigest()[:8]
    for statement in function.body:
        for node, lines in _within(statement, _head(statement)):
            for what, alter in _alterations(node):
                text = f"{what}: {_shown(node)}"
                yield Change(module, name, digest, numbers[id(node)], lines, text, alter)


def _shown(node: ast.AST) -> str:
    source = ast.unparse(node).splitlines()[0]
    return source if len(source) <= LONGEST else f"{source[: LONGEST - 1]}…"


def _within(node: ast.AST, lines: range) -> Iterator[tuple[ast.AST, range]]:
    """Yield what may be changed, and the lines of the statement that it is in."""
    yield node, lines
    for child in _parts(node):
        yield from _within(child, _head(child) if isinstance(child, ast.stmt) else lines)


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.AnnAssign(target=target, value=value):
            yield from filter(None, (target, value))
        case ast.arg():
            return
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from (node.args, *node.body)
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name("log")))):
            return
        case ast.Raise(exc=ast.Call(args=arguments, keywords=keywords)):
            values = (*arguments, *(keyword.value for keyword in keywords))
            yield from (value for value in values if not _is_text(value))
        case _:
            yield from ast.iter_child_nodes(node)


def _is_text(node: ast.AST) -> bool:
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _is_text(left) or _is_text(right)
        case ast.IfExp(body=left, orelse=right):
            return _is_text(left) or _is_text(right)
        case ast.Constant(value=value):
            return isinstance(value, str)
        case _:
            return isinstance(node, ast.JoinedStr)


def _head(statement: ast.stmt) -> range:
    """Return the lines of a statement; those before its body if it has one."""
    body = getattr(statement, "body", None) or getattr(statement, "cases", None)
    end = statement.end_lineno or statement.lineno
    if body:
        first = body[0].pattern.lineno if isinstance(body[0], ast.match_case) else body[0].lineno
        end = max(statement.lineno, first - 1)
    return range(statement.lineno, end + 1)


def _alterations(node: ast.AST) -> Iterator[tuple[str, Alter]]:
    yield from _of_expression(node)
    yield from _of_test(node)
    yield from _of_statement(node)


def _of_expression(node: ast.AST) -> Iterator[tuple[str, Alter]]:
    match node:
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                which = f" at {place + 1}" if ops[1:] else ""
                name, other = type(op).__name__, COMPARED[type(op)].__name__
                yield f"{name} → {other}{which}", partial(_compare, place)
        case ast.BoolOp(op=op, values=values):
            yield f"{type(op).__name__} → the other", _either
            yield from _omissions(values)
        case ast.UnaryOp(op=ast.Not()):
            yield "not x → x", _affirm
        case ast.BinOp(op=op) if type(op) in COMPUTED:
            yield f"{type(op).__name__} → {COMPUTED[type(op)].__name__}", _compute
        case ast.Constant(value=bool() | int() as value):
            yield f"{value} → another", _constant
        case ast.Call():
            yield from _of_call(node)


def _of_test(node: ast.AST) -> Iterator[tuple[str, Alter]]:
    match node:
        case ast.If() | ast.IfExp():
            yield "if x → if True", _always
            yield "if x → if False", _never
        case ast.While(test=test) if not _is_negated_otherwise(test):
            yield "while x → while not x", _negate
        case ast.comprehension(ifs=ifs):
            for place, test in enumerate(ifs):
                yield f"every item, not only if {_shown(test)}", partial(_unfiltered, place)
        case ast.ExceptHandler(type=ast.Tuple(elts=kinds)):
            for place, kind in enumerate(kinds):
                yield f"but for {_shown(kind)}", partial(_uncaught, place)


def _of_statement(node: ast.AST) -> Iterator[tuple[str, Alter]]:
    match node:
        case ast.Return(value=ast.expr() as value) if not _is_plain(value):
            yield "return x → return None", _return
        case ast.Expr(value=ast.Call() | ast.Await() as value) if not _is_of_super(value):
            yield "a call is left out", _leave_out
        case ast.Raise() | ast.Continue() | ast.Break():
            yield "a way out is left out", _leave_out
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "an assignment is left out", _leave_out
        case ast.AugAssign(op=op) if type(op) in COMPUTED:
            yield f"{type(op).__name__}= → {COMPUTED[type(op)].__name__}=", _compute


def _of_call(call: ast.Call) -> Iterator[tuple[str, Alter]]:
    match call.func:
        case ast.Name("suppress"):
            yield "nothing is suppressed", _without_arguments
        case ast.Name(name) if name in OPPOSITES:
            yield f"{name} → {OPPOSITES[name]}", _opposite
    for place, keyword in enumerate(call.keywords):
        if not _is_text(keyword.value):
            yield f"not given {ast.unparse(keyword)[:LONGEST]}", partial(_without_keyword, place)


def _omissions(values: Sequence[ast.expr]) -> Iterator[tuple[str, Alter]]:
    for number, value in enumerate(values):
        yield f"without {_shown(value)}", partial(_without, number)


def _is_negated_otherwise(test: ast.expr) -> bool:
    match test:
        case ast.Compare(ops=[op]):
            return isinstance(op, NEGATED)
        case ast.UnaryOp(op=op):
            return isinstance(op, ast.Not)
    return False


def _is_plain(value: ast.expr) -> bool:
    """Return whether this says nothing, as None does, or is a number, which is changed itself."""
    return isinstance(value, ast.Constant) and not (isinstance(value.value, str) and value.value)


def _is_of_super(value: ast.expr) -> bool:
    """Return whether this calls the base class: code without it does not fit the function."""
    match value:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name("super")))):
            return True
    return False


def _compare(place: int, node: ast.AST, _: ast.AST) -> None:
    assert isinstance(node, ast.Compare)  # noqa: S101 - for the type
    node.ops[place] = COMPARED[type(node.ops[place])]()


def _either(node: ast.AST, _: ast.AST) -> None:
    assert isinstance(node, ast.BoolOp)  # noqa: S101 - for the type
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()


def _without(number: int, node: ast.AST, function: ast.AST) -> None:
    assert isinstance(node, ast.BoolOp)  # noqa: S101 - for the type
    del node.values[number]
    if len(node.values) == 1:
        _put(function, node, node.values[0])


def _always(node: ast.AST, _: ast.AST) -> None:
    assert isinstance(node, ast.If | ast.IfExp)  # noqa: S101 - for the type
    node.test = ast.Constant(value=True)


def _never(node: ast.AST, _: ast.AST) -> None:
    assert isinstance(node, ast.If | ast.IfExp)  # noqa: S101 - for the type
    node.test = ast.Constant(value=False)


def _affirm(node: ast.AST, function: ast.AST) -> None:
    assert isinstance(node, ast.UnaryOp)  # noqa: S101 - for the type
    _put(function, node, node.operand)


def _compute(node: ast.AST, _: ast.AST) -> None:
    assert isinstance(node, ast.BinOp | ast.AugAssign)  # noqa: S101 - for the type
    node.op = COMPUTED[type(node.op)]()


def _constant(node: ast.AST, _: ast.AST) -> None:
    assert isinstance(node, ast.Constant)  # noqa: S101 - for the type
    node.value = not node.value if isinstance(node.value, bool) else int(str(node.value)) + 1


def _negate(node: ast.AST, _: ast.AST) -> None:
    assert isinstance(node, ast.While)  # noqa: S101 - for the type
    node.test = ast.UnaryOp(ast.Not(), node.test)


def _return(node: ast.AST, _: ast.AST) -> None:
    assert isinstance(node, ast.Return)  # noqa: S101 - for the type
    node.value = ast.Constant(None)


def _leave_out(node: ast.AST, function: ast.AST) -> None:
    _put(function, node, ast.Pass())


def _unfiltered(place: int, node: ast.AST, _: ast.AST) -> None:
    assert isinstance(node, ast.comprehension)  # noqa: S101 - for the type
    del node.ifs[place]


def _uncaught(place: int, node: ast.AST, _: ast.AST) -> None:
    assert isinstance(node, ast.ExceptHandler)  # noqa: S101 - for the type
    assert isinstance(node.type, ast.Tuple)  # noqa: S101 - for the type
    del node.type.elts[place]


def _without_arguments(node: ast.AST, _: ast.AST) -> None:
    assert isinstance(node, ast.Call)  # noqa: S101 - for the type
    node.args = []


def _without_keyword(place: int, node: ast.AST, _: ast.AST) -> None:
    assert isinstance(node, ast.Call)  # noqa: S101 - for the type
    del node.keywords[place]


def _opposite(node: ast.AST, _: ast.AST) -> None:
    assert isinstance(node, ast.Call)  # noqa: S101 - for the type
    assert isinstance(node.func, ast.Name)  # noqa: S101 - for the type
    node.func.id = OPPOSITES[node.func.id]


def _put(function: ast.AST, old: ast.AST, new: ast.AST) -> None:
    """Put one node in another's place."""
    for parent in ast.walk(function):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list):
                value[:] = [new if item is old else item for item in value]
