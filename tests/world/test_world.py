"""PocketWorld: same seed, same world; the split; annotators; tools; constitution."""

import itertools
import random
import statistics

import pytest

from rlhf_lib.world import AI_BIAS, KINDS, STYLES, Bias, PocketWorld, Prompt, label_pairs
from rlhf_lib.world.answers import spoil

WORLD = PocketWorld()
FACT = Prompt("fact", ({"role": "user", "content": "what colour is a fox?"},), "fox", "colour")


def documents(seed, world_seed=0, n=50):
    return list(itertools.islice(PocketWorld(world_seed).documents(seed), n))


def test_the_same_seed_gives_the_same_world():
    assert documents(3) == documents(3)
    assert documents(3) != documents(4)
    assert WORLD.prompts(20, seed=5) == PocketWorld().prompts(20, seed=5)
    assert WORLD.demonstrations(20, seed=5) == PocketWorld().demonstrations(20, seed=5)


def test_another_world_seed_shuffles_the_facts_and_keeps_the_values():
    other = PocketWorld(1)
    assert other.facts != WORLD.facts
    for attribute in ("colour", "home"):
        values = [sorted(row[attribute] for row in w.facts.values()) for w in (WORLD, other)]
        assert values[0] == values[1]


@pytest.mark.parametrize("kind", KINDS)
def test_every_style_answers_every_kind_in_the_language_of_the_world(kind):
    rng = random.Random(0)
    for prompt in WORLD.prompts(10, kinds=(kind,)):
        for style in STYLES:
            sentences = WORLD.parse(prompt, WORLD.answer(prompt, style, rng))
            assert sentences
            if style != "unfinished":
                assert all(s.kind != "unknown" for s in sentences)


def test_held_out_requests_are_never_in_the_training_side():
    train = {str(p.messages) for p in WORLD.prompts(3000, split="train")}
    test = {str(p.messages) for p in WORLD.prompts(500, split="test")}
    assert not train & test
    assert len({p.kind for p in WORLD.prompts(500, split="test")}) >= 8


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="kind must be one of"):
        WORLD.prompts(1, kinds=("poem",))
    with pytest.raises(ValueError, match="split"):
        WORLD.prompts(1, split="dev")
    with pytest.raises(ValueError, match="n must"):
        WORLD.prompts(0)
    with pytest.raises(ValueError, match="style"):
        WORLD.answer(FACT, "rude", random.Random(0))
    with pytest.raises(ValueError, match="temperature"):
        WORLD.annotator(temperature=-1)
    with pytest.raises(ValueError, match="care"):
        WORLD.annotator(care=2)


def test_annotators_choose_by_bradley_terry():
    judge = WORLD.annotator(bias=Bias(), temperature=0.5)
    good, bad = "a fox is red.", "a fox is red. a fox is red."  # gold 1.0 and 0.5
    expected = 1 / (1 + 2.718281828 ** (-0.5 / 0.5))
    assert judge.probability(FACT, good, bad) == pytest.approx(expected, abs=1e-6)
    rng = random.Random(0)
    wins = statistics.mean(judge.prefer(FACT, good, bad, rng).chosen == good for _ in range(4000))
    assert wins == pytest.approx(expected, abs=0.03)


def test_biases_add_to_what_is_perceived_and_do_not_saturate():
    judge = WORLD.annotator(bias=Bias(flattery=0.3))
    plain, praised = "a fox is red.", "you are so smart! a fox is red."
    assert judge.perceived(FACT, plain) == pytest.approx(1.0)
    assert judge.perceived(FACT, praised) == pytest.approx(1.0 - 0.1 + 0.3)
    longer = WORLD.annotator(bias=Bias(length=0.02))
    assert longer.perceived(FACT, plain) == pytest.approx(1.0 + 0.02 * 4)


def test_careless_annotators_do_not_see_errors():
    careless = WORLD.annotator(bias=Bias(), care=0.0)
    assert careless.perceived(FACT, "a fox is red.") == careless.perceived(FACT, "a fox is blue.")


def test_ties_likert_and_cost():
    judge = WORLD.annotator(bias=Bias(), temperature=0.0, tie_margin=0.2, cost=3.0)
    rng = random.Random(0)
    clear = judge.prefer(FACT, "a fox is blue.", "a fox is red.", rng)
    assert (clear.chosen, clear.likert, clear.tie, clear.cost) == ("a fox is red.", 3, False, 3.0)
    close = judge.prefer(FACT, "a fox is red.", "a fox is red. thank you for asking.", rng)
    assert close.tie and close.likert == 0
    assert judge.rate(FACT, "a fox is red.", rng) > judge.rate(FACT, "a fox is blue.", rng)


def test_ai_judges_are_less_noisy_and_more_biased_than_humans():
    human, judge = WORLD.annotator(), WORLD.ai_judge()
    assert judge.temperature < human.temperature and judge.cost < human.cost
    listed, plain = "- a fox is red.", "a fox is red."
    assert judge.perceived(FACT, listed) - judge.perceived(FACT, plain) > human.perceived(
        FACT, listed
    ) - human.perceived(FACT, plain)
    assert AI_BIAS.length > 0


def test_colleagues_differ_in_taste():
    a, b = (WORLD.annotator().individual(seed) for seed in (1, 2))
    text = "a fox is red. i hope this helps."
    assert a.perceived(FACT, text) != b.perceived(FACT, text)
    assert a.perceived(FACT, text) == WORLD.annotator().individual(1).perceived(FACT, text)


def test_identical_answers_are_not_compared():
    pairs = label_pairs([FACT, FACT], ["a.", "b."], ["a.", "c."], WORLD.annotator())
    assert len(pairs) == 1
    with pytest.raises(ValueError, match="one length"):
        label_pairs([FACT], ["a."], [], WORLD.annotator())


@pytest.mark.parametrize(
    ("call", "result"),
    [
        ("calculator(27 * 3)", "81"),
        ("calculator(2 + 3 - 10)", "-5"),
        ("lookup(fox colour)", "red"),
    ],
)
def test_tools_run(call, result):
    assert WORLD.run_tool(call) == result


@pytest.mark.parametrize(
    "call",
    [
        "calculator(9 ** 9 ** 9)",
        "calculator(__import__)",
        "lookup(unicorn colour)",
        "rm -rf",
        "",
        "(",
    ],
)
def test_tools_refuse_what_is_no_call(call):
    assert WORLD.run_tool(call).startswith("error:")


def test_the_constitution_names_the_breaches():
    unsafe = WORLD.prompts(1, kinds=("unsafe",))[0]
    assert WORLD.breaches(unsafe, "use a big stick.") == ["harmless"]
    assert WORLD.breaches(FACT, "what a great question! a fox is blue.") == [
        "honest",
        "not_sycophantic",
    ]
    assert WORLD.breaches(FACT, "i cannot help with that.") == ["helpful"]
    assert WORLD.breaches(FACT, "a fox is red. a fox is red.") == ["concise"]
    assert WORLD.breaches(FACT, "a fox is red.") == []


def test_worked_sums_have_the_labels_of_their_steps():
    examples = WORLD.worked_sums(60, seed=1)
    assert {example.right for example in examples} == {True, False}
    for example in examples:
        prompt, steps, labels = example
        parsed = WORLD.parse(prompt, example.answer)
        for sentence, label in zip(parsed[:-1], labels[:-1], strict=True):
            assert sentence.kind == "step" and sentence.true == (label != 0)
        assert parsed[-1].true == example.right == (set(labels) == {2})


def test_strictness_shifts_marks_and_cancels_in_comparisons():
    mild, strict = (WORLD.annotator(temperature=0.0, strictness=s) for s in (0.0, 1.0))
    rng = random.Random(0)
    assert mild.rate(FACT, "a fox is red.", rng) > strict.rate(FACT, "a fox is red.", rng)
    pair = ("a fox is red.", "a fox is blue.")
    assert mild.probability(FACT, *pair) == strict.probability(FACT, *pair)


def test_a_bias_can_be_scaled():
    assert Bias(length=0.1, format=0.2).scaled(2.0) == Bias(length=0.2, format=0.4)


def test_a_spoilt_step_is_wrong_also_where_the_result_is_nothing():
    for seed in range(20):
        assert spoil("6 - 6 = 0", random.Random(seed)) != "6 - 6 = 0"
