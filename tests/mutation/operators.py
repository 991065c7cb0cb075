"""What is changed: mutmut's operators, and some of our own that switch a part of a statement off.

mutmut itself mutates functions only, after the module was imported. Here most of what matters is said by statements
that a module makes when it is imported, so `mutants` applies the operators to whole modules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import libcst
from libcst import matchers
from mutmut.mutation import mutators

Operator = Callable[[Any], Iterable[libcst.CSTNode]]

# Calls of which each argument is a part of an SQL statement.
_CLAUSES = frozenset({"and_", "between", "join", "or_", "order_by", "values", "where"})
# Calls without which an SQL statement is still one.
_OPTIONAL_CALLS = frozenset({"distinct", "limit", "offset", "order_by", "where", "with_for_update"})


def remove_clause(node: libcst.Call) -> Iterable[libcst.Call]:
    """``where(a, b)`` -> ``where(b)``, ``where(a)``."""
    if len(node.args) > 1 and _name(node) in _CLAUSES:
        for index in range(len(node.args)):
            yield node.with_changes(args=[*node.args[:index], *node.args[index + 1 :]])


def remove_call(node: libcst.Call) -> Iterable[libcst.BaseExpression]:
    """``select(x).limit(1)`` -> ``select(x)``."""
    if _name(node) in _OPTIONAL_CALLS and isinstance(node.func, libcst.Attribute):
        yield node.func.value


def remove_keyword(node: libcst.Call) -> Iterable[libcst.Call]:
    """``f(a, b=c)`` -> ``f(a)``: what is said by name is often what can be left out."""
    if _name(node) not in _CLAUSES:
        for index, argument in enumerate(node.args):
            if argument.keyword is not None:
                yield node.with_changes(args=[*node.args[:index], *node.args[index + 1 :]])


def remove_operand(node: libcst.BooleanOperation) -> Iterable[libcst.BaseExpression]:
    """``a and b`` -> ``a``, ``b``."""
    yield from (node.left, node.right)


def decide(node: libcst.If | libcst.While | libcst.CompIf) -> Iterable[libcst.CSTNode]:
    """``if a`` -> ``if True``, ``if False``."""
    for answer in ("True", "False"):
        yield node.with_changes(test=libcst.Name(answer))


def remove_guard(node: libcst.MatchCase) -> Iterable[libcst.MatchCase]:
    """``case A() if b`` -> ``case A()``, and ``case A(b=c)`` -> ``case A()``."""
    if node.guard is not None:
        yield node.with_changes(guard=None)
    if isinstance(node.pattern, libcst.MatchClass):
        for index in range(len(node.pattern.kwds)):
            kept = [*node.pattern.kwds[:index], *node.pattern.kwds[index + 1 :]]
            yield node.with_changes(pattern=node.pattern.with_changes(kwds=kept))


def remove_statement(node: libcst.SimpleStatementLine) -> Iterable[libcst.SimpleStatementLine]:
    """A call, a ``raise`` or a ``del`` -> ``pass``; ``return a`` -> ``return None``."""
    statement = node.body[0]
    if isinstance(statement, libcst.Raise | libcst.Del) or matchers.matches(
        statement, matchers.Expr(matchers.Call() | matchers.Yield())
    ):
        yield node.with_changes(body=[libcst.Pass()])
    if isinstance(statement, libcst.Return) and statement.value is not None:
        yield node.with_changes(body=[statement.with_changes(value=libcst.Name("None"))])


def _name(call: libcst.Call) -> str:
    called = call.func.attr if isinstance(call.func, libcst.Attribute) else call.func
    return called.value if isinstance(called, libcst.Name) else ""


OPERATORS: Sequence[tuple[type, Operator]] = [
    (libcst.BaseNumber, mutators.operator_number),
    (libcst.Name, mutators.operator_name),
    (libcst.UnaryOperation, mutators.operator_remove_unary_ops),
    (libcst.Call, mutators.operator_symmetric_string_methods_swap),
    (libcst.CSTNode, mutators.operator_keywords),
    (libcst.CSTNode, mutators.operator_swap_op),
    (libcst.Match, mutators.operator_match),
    (libcst.IfExp, mutators.operator_if_exp),
    (libcst.Call, remove_clause),
    (libcst.Call, remove_call),
    (libcst.Call, remove_keyword),
    (libcst.BooleanOperation, remove_operand),
    (libcst.If, decide),
    (libcst.While, decide),
    (libcst.CompIf, decide),
    (libcst.MatchCase, remove_guard),
    (libcst.SimpleStatementLine, remove_statement),
]
