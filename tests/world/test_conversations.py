"""System prompts, tools, critiques, checks: what is said, and what it is worth."""

import random

import pytest

from rlhf_lib.world import CONSTITUTION, PERSONAS, SPECIFICATION, PocketWorld, persona_prompt
from rlhf_lib.world.conversations import CLAUSE_STYLES, with_system
from rlhf_lib.world.worked import checked_sum, inverse

WORLD = PocketWorld()


def first(kind, wanted=lambda prompt: True, split="train"):
    return next(p for p in WORLD.prompts(200, (kind,), seed=3, split=split) if wanted(p))


def task(prompt, text):
    return WORLD.gold_score(prompt, text).terms["task"]


def test_a_tool_request_is_judged_by_its_final_answer_or_by_its_call():
    for wanted in (lambda p: p.steps, lambda p: p.attribute):
        prompt = first("tool", wanted)
        right = WORLD.answer(WORLD.after_call(prompt, f"call {prompt.result}."), "short", random)
        assert prompt.outcome == WORLD.run_tool(prompt.result)
        assert task(prompt, f"call {prompt.result}.") == 1.0
        assert WORLD.gold(prompt, right) == 1.0
        assert WORLD.gold(prompt, f"call {prompt.result}. {right}") == 1.0
        assert task(prompt, "call calculator(1 + 1).") == -0.5
    prompt = first("tool", lambda p: p.steps)
    assert task(prompt, f"call {prompt.result}. so the answer is 7.") == -1.0


def test_the_turn_after_a_call_holds_the_result_and_wants_the_answer():
    prompt = first("tool", lambda p: p.steps)
    turn = WORLD.after_call(prompt, f"call {prompt.result}.")
    assert [m["role"] for m in turn.messages] == ["user", "assistant", "tool"]
    assert turn.messages[-1]["content"] == turn.result == prompt.outcome
    assert WORLD.gold(turn, f"so the answer is {prompt.outcome}.") == 1.0
    assert task(turn, "so the answer is 7.") == -1.0
    assert WORLD.after_call(prompt, "i like music.") is None


def test_a_wrong_call_returns_its_own_result_and_the_right_answer_is_still_wanted():
    prompt = first("product")
    turn = WORLD.after_call(prompt, "call calculator(2 + 2).")
    assert turn.text == "4" and turn.result == prompt.result


def test_products_may_be_called_or_answered():
    prompt = first("product")
    assert WORLD.gold(prompt, f"{prompt.steps[0]}.") == 1.0
    assert WORLD.gold(prompt, "call calculator(2 * 2).") == 0.0


@pytest.mark.parametrize("principle", CONSTITUTION, ids=[p.name for p in CONSTITUTION])
def test_critiques_are_judged_by_the_rules(principle):
    for prompt in WORLD.prompts(12, seed=2):
        draft = WORLD.answer(prompt, "repetitive", random.Random(1))
        judged = WORLD.critique(prompt, draft, principle)
        broken = principle.name in WORLD.breaches(prompt, draft)
        assert judged.result == f"{'breaks' if broken else 'keeps'} {principle.name}"
        other = "keeps" if broken else "breaks"
        assert WORLD.gold(judged, f"it {judged.result}.") == 1.0
        assert WORLD.gold(judged, f"it {other} {principle.name}.") == -1.0
        revision = WORLD.revision(prompt, judged, f"it {judged.result}.")
        assert revision.kind == prompt.kind and revision.text == "revise."
        assert WORLD.gold(revision, "the end.") == WORLD.gold(prompt, "the end.")


def test_a_system_prompt_changes_nothing_in_what_is_good():
    prompt = first("fact")
    asked = prompt.with_system(persona_prompt("clerk"))
    assert asked.messages[0] == {"role": "system", "content": "you are a clerk."}
    assert WORLD.gold(asked, "the end.") == WORLD.gold(prompt, "the end.")
    assert set(PERSONAS) >= {"flatterer", "doubter", "host", "refuser", "clerk"}


def test_answers_under_a_clause_keep_it():
    clauses, kept = {c.text: c for c in SPECIFICATION}, 0
    assert set(CLAUSE_STYLES) == {clause.name for clause in SPECIFICATION}
    for prompt in WORLD.prompts(400, ("fact",), seed=1):
        asked, answer = with_system(WORLD.facts, prompt, random.Random(prompt.text))
        clause = clauses.get(asked.messages[0]["content"])
        if clause is not None:
            assert not clause.broken(prompt, WORLD.parse(prompt, answer)), (clause.name, answer)
            kept += 1
    assert kept > 40


def test_checks_undo_the_step_and_catch_what_is_wrong():
    assert inverse("9 + 8 = 16") == "16 - 8 = 8"
    assert inverse("9 - 5 = 4") == "4 + 5 = 9"
    rng, corrected = random.Random(0), 0
    for prompt in WORLD.prompts(100, ("steps",), seed=1):
        answer = checked_sum(prompt, rng)
        assert task(prompt, answer) == (0.75 if "wait." in answer else 1.0)
        assert all(s.kind != "unknown" for s in WORLD.parse(prompt, answer))
        corrected += "wait." in answer
    assert 20 < corrected < 80


def test_courses_are_named():
    for name in ("calculator", "critic", "personas"):
        shown = WORLD.course(name, 50)
        assert len(shown) >= 50 and shown == PocketWorld().course(name, 50)
    verdicts = [d.prompt.result for d in WORLD.course("critic", 300) if d.prompt.kind == "critique"]
    assert 0.35 < sum(v.startswith("breaks") for v in verdicts) / len(verdicts) < 0.65
    with pytest.raises(ValueError, match="calculator, critic or personas"):
        WORLD.course("cook", 3)
