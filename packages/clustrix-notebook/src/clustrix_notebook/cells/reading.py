"""Which names a cell reads before it has assigned them itself, and which it assigns, as far as its text tells."""

from __future__ import annotations

import ast
import dis
import types
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

_LOADS = frozenset(
    {
        "LOAD_NAME",
        "LOAD_GLOBAL",
        "LOAD_FROM_DICT_OR_GLOBALS",
        "DELETE_NAME",
        "DELETE_GLOBAL",
    }
)
_STORES = frozenset({"STORE_NAME", "STORE_GLOBAL"})
FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

_Function = (ast.FunctionDef, ast.AsyncFunctionDef)
_Scope = (*_Function, ast.ClassDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def read_by(tree: ast.Module) -> set[str]:
    """Names that are looked up in the namespace while they may not have been assigned by the cell.

    Built-ins and names that nobody has are among them.  What functions read counts where they are defined.
    """
    reads = _Reads()
    reads.block(tree.body, set())
    return reads.found


def assigned_by(tree: ast.Module) -> set[str]:
    """Names that it assigns, also within functions by ``global``; and those whose objects it changes at its top, as ``x[0] = 1`` does."""
    code = _compiled(tree.body)
    found = {name for step, name in _steps(code) if step in _STORES}
    for inner in _inner(code):
        found |= {name for step, name in _steps(inner) if step == "STORE_GLOBAL"}
    return found | {name for node in _at_top(tree) for name in _changed(node)}


def _changed(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, (ast.Store, ast.Del)):
        base: ast.expr = node
        while isinstance(base, (ast.Subscript, ast.Attribute)):
            base = base.value
        if isinstance(base, ast.Name):
            yield base.id


def _at_top(tree: ast.AST) -> Iterator[ast.AST]:
    """Its nodes, but not those of other scopes."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _Scope):
            waiting += ast.iter_child_nodes(node)


def _compiled(body: Sequence[ast.stmt]) -> types.CodeType:
    module = ast.Module(body=list(body), type_ignores=[])
    code: types.CodeType = compile(module, "<cell>", "exec", flags=FLAGS, dont_inherit=True)
    return code


def _steps(code: types.CodeType) -> Iterator[tuple[str, Any]]:
    return ((step.opname, step.argval) for step in dis.get_instructions(code))


def _inner(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _inner(constant)


class _Reads:
    """Goes through statements in their order.  ``sure`` are the names that have been assigned whichever way was taken."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self._outside: set[str] | None = None
        """In the body of a class: what was sure before it.  Functions in it do not see its own names."""

    def block(self, body: Iterable[ast.stmt], sure: set[str]) -> None:
        for statement in body:
            self._statement(statement, sure)

    def _statement(self, node: ast.stmt, sure: set[str]) -> None:
        if isinstance(node, ast.If):
            self._expression(node.test, sure)
            self._join([(node.body, set(sure)), (node.orelse, set(sure))], sure)
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            self._expression(node.iter, sure)
            self._target(node.target, sure)
            self.block(node.body, sure | _bound(node.target))
            self.block(node.orelse, set(sure))
        elif isinstance(node, ast.While):
            self._expression(node.test, sure)
            self.block(node.body, set(sure))
            self.block(node.orelse, set(sure))
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                self._expression(item.context_expr, sure)
                if item.optional_vars is not None:
                    self._target(item.optional_vars, sure)
                    sure |= _bound(item.optional_vars)
            self.block(node.body, sure)
        elif isinstance(node, ast.Try) or type(node).__name__ == "TryStar":
            self._try(node, sure)
        elif isinstance(node, ast.Match):
            self._match(node, sure)
        elif isinstance(node, ast.ClassDef):
            self._class(node, sure)
        elif isinstance(node, ast.Expr):
            self._expression(node.value, sure)
        elif not isinstance(node, (ast.Break, ast.Continue)):  # which cannot stand alone
            self._simple(node, sure)

    def _join(self, ways: Iterable[tuple[Sequence[ast.stmt], set[str]]], sure: set[str]) -> None:
        """One of them is taken; one that leaves the block by an error or a jump does not come out here."""
        ends = []
        for body, own in ways:
            self.block(body, own)
            if not (body and isinstance(body[-1], (ast.Raise, ast.Break, ast.Continue))):
                ends.append(own)
        if ends:
            sure |= set.intersection(*ends)

    def _try(self, node: Any, sure: set[str]) -> None:
        ways = [([*node.body, *node.orelse], set(sure))]
        for handler in node.handlers:
            if handler.type is not None:
                self._expression(handler.type, set(sure))
            ways.append((handler.body, sure | ({handler.name} if handler.name else set())))
        at_last = set(sure)
        self._join(ways, sure)
        self.block(node.finalbody, at_last)
        sure |= at_last

    def _match(self, node: ast.Match, sure: set[str]) -> None:
        self._expression(node.subject, sure)
        for case in node.cases:
            # A pattern can only be compiled in the statement that it belongs to.
            only = ast.match_case(case.pattern, case.guard, [ast.Pass()])
            alone = _placed(ast.Match(ast.Constant(None), [only]), node)
            own = sure | {name for step, name in _steps(_compiled([alone])) if step in _STORES}
            self._simple(alone, set(own))
            self.block(case.body, own)

    def _class(self, node: ast.ClassDef, sure: set[str]) -> None:
        if getattr(node, "type_params", None):  # they are a scope of their own around it
            self._simple(node, sure)
            return
        for part in (*node.decorator_list, *node.bases, *(key.value for key in node.keywords)):
            self._expression(part, sure)
        before = self._outside
        self._outside = set(sure) | {node.name} if before is None else before
        self.block(node.body, set(sure))
        self._outside = before
        sure.add(node.name)

    def _expression(self, node: ast.expr, sure: set[str]) -> None:
        self._simple(_placed(ast.Expr(node), node), sure)

    def _target(self, node: ast.expr, sure: set[str]) -> None:
        """What ``a[i].b`` reads where something is assigned to it."""
        self._simple(_placed(ast.Assign([node], ast.Constant(None)), node), set(sure))

    def _simple(self, node: ast.stmt, sure: set[str]) -> None:
        code = _compiled([node])
        stored = {name for step, name in _steps(code) if step in _STORES}
        self.found |= {name for step, name in _steps(code) if step in _LOADS} - sure
        within = {name for inner in _inner(code) for step, name in _steps(inner) if step in _LOADS}
        own = stored if isinstance(node, (*_Function, ast.ClassDef)) else set()  # it may refer to itself
        self.found |= within - (sure if self._outside is None else self._outside) - own
        perhaps = {part.target.id for part in ast.walk(node) if isinstance(part, ast.NamedExpr)}
        sure |= stored - perhaps | _walruses(node)
        if isinstance(node, ast.Delete):
            sure -= {target.id for target in node.targets if isinstance(target, ast.Name)}


N = TypeVar("N", bound=ast.AST)


def _placed(node: N, like: ast.AST) -> N:
    return ast.fix_missing_locations(ast.copy_location(node, like))


def _bound(target: ast.expr) -> set[str]:
    return {
        node.id for node in ast.walk(target) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _walruses(node: ast.AST) -> set[str]:
    """Names that ``:=`` assigns in it whichever way it is evaluated."""
    found: set[str] = set()
    waiting: list[ast.AST] = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, _Scope):
            continue
        if isinstance(part, ast.NamedExpr):
            found.add(part.target.id)
        if isinstance(part, ast.BoolOp):
            waiting.append(part.values[0])
        elif isinstance(part, ast.IfExp):
            waiting.append(part.test)
        else:
            waiting += ast.iter_child_nodes(part)
    return found
