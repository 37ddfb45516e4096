"""The two tools of PocketWorld: a calculator and a fact look-up. No text is run as code."""

from __future__ import annotations

import ast
import operator
import re

_CALL = re.compile(r"(calculator|lookup)\(([^()]{1,80})\)")
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


def run_tool(facts: dict[str, dict[str, str]], call: str) -> str:
    """Run 'calculator(27 * 3)' or 'lookup(fox colour)' and return its text.

    A call that cannot be run returns a text that begins with 'error:', since a model has to be able
    to read it.
    """
    match = _CALL.fullmatch(call.strip())
    if not match:
        return "error: a call looks like calculator(2 + 3) or lookup(fox colour)"
    name, argument = match.groups()
    return _calculate(argument) if name == "calculator" else _look_up(facts, argument)


def _look_up(facts: dict[str, dict[str, str]], argument: str) -> str:
    entity, _, attribute = argument.strip().partition(" ")
    return facts.get(entity, {}).get(attribute, f"error: nothing is known about {argument.strip()}")


def _calculate(expression: str) -> str:
    try:
        return str(_value(ast.parse(expression.strip(), mode="eval").body))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "error: only whole numbers with +, - and * can be calculated"


def _value(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int and abs(node.value) < 10**9:
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError("not arithmetic")
