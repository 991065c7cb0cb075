"""All mutants of a module."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass

import libcst

from tests.mutation.operators import OPERATORS


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module's source with one change. `change` says where (the innermost named function or class) and what."""

    line: int
    change: str
    source: str


def mutants_of(source: str) -> Iterator[Mutant]:
    """The mutants of `source`, without those that differ in annotations alone."""
    module = libcst.parse_module(source)
    visitor = _Visitor()
    module.visit(visitor)
    original, seen = _code(source), {source}
    for node, mutated, place in visitor.found:
        changed = libcst.ensure_type(module.deep_replace(node, mutated), libcst.Module).code
        if changed in seen:
            continue
        seen.add(changed)
        try:
            if _code(changed) == original:
                continue
        except SyntaxError:
            continue
        line, text = _difference(source, changed)
        yield Mutant(line, f"{place}: {text}", changed)


class _Visitor(libcst.CSTVisitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[libcst.CSTNode, libcst.CSTNode, str]] = []
        self._places: list[str] = []

    def on_visit(self, node: libcst.CSTNode) -> bool:
        if isinstance(node, libcst.Annotation | libcst.Decorator | libcst.Import | libcst.ImportFrom):
            return False
        if isinstance(node, libcst.FunctionDef | libcst.ClassDef):
            self._places.append(node.name.value)
        place = self._places[-1] if self._places else "module"
        for kind, operator in OPERATORS:
            if isinstance(node, kind):
                self.found += [(node, mutated, place) for mutated in operator(node)]
        return True

    def on_leave(self, node: libcst.CSTNode) -> None:
        if isinstance(node, libcst.FunctionDef | libcst.ClassDef):
            self._places.pop()


def _code(source: str) -> str:
    """What is run of a module: all but its annotations, which Python does not look at here."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return ast.dump(tree)


def _difference(before: str, after: str) -> tuple[int, str]:
    """The first line that differs, and the lines that do, before and after."""
    old, new = before.splitlines(), after.splitlines()
    gone, come, first = [], [], 0
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            first = first or i1 + 1
            gone += old[i1:i2]
            come += new[j1:j2]
    return first, f"`{_one_line(gone)}` -> `{_one_line(come)}`"


def _one_line(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())
