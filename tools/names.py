"""Find out which cells define names that later cells use."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Sequence

from nbformat import NotebookNode


class _Names(ast.NodeVisitor):
    """Collects the names that code needs from before it, and those that it defines."""

    def __init__(self) -> None:
        self.needs: set[str] = set()
        self.defines: set[str] = set()

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.defines.add(node.id)
        elif node.id not in self.defines and not hasattr(builtins, node.id):
            self.needs.add(node.id)

    def visit_Assign(self, node: ast.Assign) -> None:
        for part in (node.value, *node.targets):
            self.visit(part)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        names = {name.id for name in ast.walk(node.target) if isinstance(name, ast.Name)}
        self.needs |= names - self.defines

    def visit_For(self, node: ast.For) -> None:
        for part in (node.iter, node.target, *node.body, *node.orelse):
            self.visit(part)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.defines |= {(each.asname or each.name).partition(".")[0] for each in node.names}

    visit_ImportFrom = visit_Import

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inner([*node.args.defaults, *node.body], node.args)
        self.defines.add(node.name)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._inner([node.body], node.args)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.defines |= {node.name} if node.name else set()
        self.generic_visit(node)

    def _comprehension(self, node: ast.ListComp | ast.DictComp) -> None:
        inner = _Names()
        inner.defines = set(self.defines)
        for generator in node.generators:
            for part in (generator.iter, generator.target, *generator.ifs):
                inner.visit(part)
        values = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for value in values:
            inner.visit(value)
        self.needs |= inner.needs

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = _comprehension

    def _inner(self, body: Sequence[ast.AST], arguments: ast.arguments) -> None:
        inner = _Names()
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += filter(None, (arguments.vararg, arguments.kwarg))
        inner.defines = self.defines | {argument.arg for argument in every}
        for part in body:
            inner.visit(part)
        self.needs |= inner.needs


def names_of(source: str) -> tuple[set[str], set[str]]:
    """Return (the names that code needs from earlier cells, the names that it defines).

    >>> needs, defines = names_of("reply = ask(text)\\nprint(reply, [n for n in reply])")
    >>> sorted(needs), sorted(defines)
    (['ask', 'text'], ['reply'])
    """
    visitor = _Names()
    visitor.visit(ast.parse(source))
    return visitor.needs, visitor.defines


def needed(cells: Sequence[NotebookNode], left_out: Sequence[NotebookNode]) -> list[NotebookNode]:
    """Return those of the cells that are left out which other cells need, in their order.

    cells: all code cells of a lesson that are run. left_out: some of them.
    """
    out = {id(cell) for cell in left_out}
    wanted: set[str] = set()
    result = []
    for cell in reversed(cells):
        needs, defines = names_of(cell.source)
        if id(cell) in out and not wanted & defines:
            continue
        if id(cell) in out:
            result.append(cell)
        wanted = (wanted - defines) | needs
    return result[::-1]
