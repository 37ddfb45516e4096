"""Mutation tests of the checkers: a check that cannot fail is no check.

From each reference we make mutants that a learner might write; the check has to reject every one that
differs from the reference on its cases, and to accept two right answers.
"""

import importlib
import inspect
import math
from pathlib import Path

import pytest
import torch

from rlhf_lib.exercises import ALL, NOT_YET, RIGHT, WRONG
from rlhf_lib.workbook.kit.exercise import same


def scaled(value, factor):
    if isinstance(value, tuple):
        return tuple(scaled(v, factor) for v in value)
    return value * factor


def shifted_output(value):
    if isinstance(value, torch.Tensor) and value.ndim:
        return torch.roll(value, 1, dims=-1)
    return tuple(v + 1 for v in value) if isinstance(value, tuple) else value + 1


def first_tensor(arguments):
    return next((i for i, a in enumerate(arguments) if isinstance(a, torch.Tensor)), None)


def with_argument(exercise, name, change):
    names = list(inspect.signature(exercise.reference).parameters)
    if name not in names:
        return None
    place = names.index(name)

    def mutant(*arguments):
        arguments = list(arguments)
        arguments[place] = change(arguments[place])
        return exercise.reference(*arguments)

    return mutant


def shifted_input(exercise):
    def mutant(*arguments):
        arguments, place = list(arguments), first_tensor(arguments)
        if place is None:
            arguments[0] = (
                [*arguments[0][1:], arguments[0][0]]
                if isinstance(arguments[0], list)
                else arguments[0] + 1
            )
        else:
            arguments[place] = torch.roll(arguments[place], 1, dims=-1)
        return exercise.reference(*arguments)

    return mutant


def in_place(exercise):
    def mutant(*arguments):
        result = exercise.reference(*arguments)
        place = first_tensor(arguments)
        if place is not None:
            arguments[place].add_(1)
        elif isinstance(arguments[0], list):
            arguments[0].append(0.0)
        return result

    return mutant


def wrong_shape(exercise):
    def mutant(*arguments):
        result = exercise.reference(*arguments)
        return result[None] if isinstance(result, torch.Tensor) else [result, result]

    return mutant


def not_a_number(exercise):
    def mutant(*arguments):
        result = exercise.reference(*arguments)
        if isinstance(result, torch.Tensor):
            return torch.full_like(result, float("nan"))
        return tuple(math.nan for _ in result) if isinstance(result, tuple) else math.nan

    return mutant


def cut_off(exercise, cut):
    """The reference's values, cut off from the arguments in which the exercise asks for a gradient."""

    def mutant(*arguments):
        result = exercise.reference(*arguments)
        return tuple(map(cut, result)) if isinstance(result, tuple) else cut(result)

    return mutant


def detached_input(exercise, name):
    """The gradient reaches one argument too few."""
    return with_argument(exercise, name, torch.Tensor.detach)


def without_gradient(exercise):
    return lambda *arguments: torch.no_grad()(exercise.reference)(*arguments)


def gradient_mutants(exercise):
    yield "detached", cut_off(exercise, torch.Tensor.detach)
    yield "made anew", cut_off(exercise, lambda x: torch.tensor(x.tolist(), dtype=x.dtype))
    yield "no_grad", without_gradient(exercise)
    yield "float()", cut_off(exercise, lambda x: float(x) if x.ndim == 0 else x.tolist())
    yield ".item()", cut_off(exercise, lambda x: x.item() if x.ndim == 0 else x.numpy())
    for name in exercise.learns:
        yield f"{name} detached", detached_input(exercise, name)


def constant(exercise):
    first = exercise.reference(*exercise.cases()[0])
    return lambda *arguments: first


def mutants_of(exercise):
    ref = exercise.reference
    yield "stub", lambda *a: None
    yield "sign flip", lambda *a: scaled(ref(*a), -1)
    yield "factor 2", lambda *a: scaled(ref(*a), 2)
    yield "halved", lambda *a: scaled(ref(*a), 0.5)
    yield "output off by one", lambda *a: shifted_output(ref(*a))
    yield "input off by one", shifted_input(exercise)
    yield "changes its input", in_place(exercise)
    yield "wrong shape", wrong_shape(exercise)
    yield "NaN", not_a_number(exercise)
    yield "constant", constant(exercise)
    for name, change in (
        ("all-ones mask", torch.ones_like),
        ("inverted mask", lambda m: 1 - m),
        ("mask one short", lambda m: m * torch.cat((m[:, 1:], torch.zeros_like(m[:, :1])), 1)),
    ):
        mutant = with_argument(exercise, "mask", change)
        if mutant is not None:
            yield name, mutant
    if exercise.learns:
        yield from gradient_mutants(exercise)
    for number, (wrong, _) in enumerate(exercise.mistakes, start=1):
        yield f"named mistake {number}", wrong


def equivalent(exercise, mutant):
    """Whether a mutant gives the reference's values and leaves its arguments alone on all cases."""
    for case, again in zip(exercise.cases(), exercise.cases(), strict=True):
        try:
            result = mutant(*case)
        except Exception:
            return False
        if not same(result, exercise.reference(*again), exercise.tolerance):
            return False
        if not same(tuple(case), tuple(again), 0.0):
            return False
    return True


CUT = {"stub", "detached", "made anew", "no_grad", "float()", ".item()"}
"""Mutants that values alone do not tell from the reference."""

OUTCOMES: dict[str, list[tuple[str, bool]]] = {}


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.name)
def test_mutants_are_rejected(exercise):
    alive = []
    for label, mutant in mutants_of(exercise):
        if label not in CUT and equivalent(exercise, mutant):
            continue  # such as sorting one element: no input could tell it from the reference
        verdict = exercise.check(mutant)
        killed = verdict.status == (NOT_YET if label == "stub" else WRONG)
        OUTCOMES.setdefault(exercise.name, []).append((label, killed))
        if not killed:
            alive.append(label)
    assert not alive


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.name)
def test_named_mistakes_get_their_own_sentence(exercise):
    for wrong, sentence in exercise.mistakes:
        assert exercise.check(wrong).message == sentence


def second_answers() -> dict:
    """Exercise -> another right answer, from `others.py` in the chapters' folders beside this one."""
    found = {}
    for path in sorted(Path(__file__).parents[1].glob("ch*/others.py")):
        found |= importlib.import_module(f"tests.workbook.{path.parent.name}.others").OTHERS
    return found


OTHERS = second_answers()


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.name)
def test_two_different_right_answers_pass(exercise):
    exercise.check(exercise.reference).assert_right()
    exercise.check(OTHERS[exercise.name]).assert_right()
    assert exercise.check(OTHERS[exercise.name]).status == RIGHT
