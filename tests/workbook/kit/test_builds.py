"""Build exercises: right loops pass in whatever way they are written, and slips are named."""

import copy
import dataclasses

import pytest
import torch

from rlhf_lib.exercises import NOT_YET, RIGHT, WRONG, exercise
from rlhf_lib.lm.rollout import last_token
from rlhf_lib.objectives import bradley_terry_loss, dpo_loss, policy_loss, rloo_advantages
from rlhf_lib.workbook.contents import builds
from rlhf_lib.workbook.kit.build import BigramPolicy, bigram_reward
from tests.workbook.kit.test_mutants import OTHERS, OUTCOMES

BUILDS = [one for group in builds().values() for one in group]
every_build = pytest.mark.parametrize("build", BUILDS, ids=lambda one: one.name)


def test_there_is_one_in_each_chapter_that_trains():
    assert {"07_reward_modeling", "10_rejection_sampling", "11_policy_gradients",
            "12_direct_alignment"} <= set(builds())  # fmt: skip
    for one in BUILDS:
        assert len(one.mistakes) >= 4 and len(one.hints) == 3 and one.plan and one.minutes >= 20


@every_build
def test_two_right_loops_pass_and_a_stub_is_not_attempted(build):
    build.check(build.reference).assert_right()
    build.check(OTHERS[build.name]).assert_right()
    assert build.check(lambda *arguments: ...).status == NOT_YET


def with_argument(build, name, change):
    """The reference called with one argument changed: another rate, a step fewer."""

    def mutant(*arguments):
        named = build.arguments(arguments)
        named[name] = change(named[name])
        return build.reference(*named.values())

    return mutant


def mutants_of(build):
    names = build.arguments(build.cases()[0])
    for name, change in (
        ("learning_rate", lambda x: x / 2), ("epochs", lambda x: x + 1), ("steps", lambda x: x - 1),
        ("clip", lambda x: 2 * x), ("beta", lambda x: 2 * x), ("batches", lambda x: x[::-1]),
        ("batches", lambda x: x[:-1]), ("samples", lambda x: x - 1),
    ):  # fmt: skip
        if name in names:
            yield f"{name} changed", with_argument(build, name, change)
    yield "no training", lambda *arguments: [0.0]
    yield "returns the model", lambda *arguments: arguments[0]
    yield "nothing is updated", frozen(build)
    yield "returns nothing", lambda *arguments: build.reference(*arguments) and None
    for number, (wrong, _) in enumerate(build.mistakes, start=1):
        yield f"named mistake {number}", wrong


def frozen(build):
    """The right numbers, and a model that is as it was."""

    def mutant(*arguments):
        before = {k: v.clone() for k, v in arguments[0].state_dict().items()}
        result = build.reference(*arguments)
        arguments[0].load_state_dict(before)
        return result

    return mutant


@every_build
def test_mutants_are_rejected(build):
    outcomes = [(label, build.check(m).status == WRONG) for label, m in mutants_of(build)]
    OUTCOMES[build.name] = outcomes
    assert not [label for label, killed in outcomes if not killed]


@every_build
def test_named_mistakes_get_their_own_sentence(build):
    for wrong, sentence in build.mistakes:
        assert build.check(wrong).message == sentence


@every_build
def test_the_sentence_shows_no_pages_of_batches(build):
    verdict = build.check(lambda *arguments: 3)
    assert verdict.status == WRONG and len(repr(verdict)) < 900
    assert "int 3" in verdict.message


def test_an_old_log_probability_that_keeps_its_graph_is_explained():
    """The commonest crash of a first PPO: torch's words do not say what to do."""

    def kept(policy, reward, prompts, samples, steps, epochs, clip, learning_rate):
        ids, mask = policy.sample(prompts, samples, seed=0)
        asked, old_logp = prompts.repeat_interleave(samples), None
        old_logp = policy.logprobs(asked, ids)
        for _ in range(epochs):
            ratio = (policy.logprobs(asked, ids) - old_logp).exp()
            (ratio * mask).mean().backward()

    message = exercise("my_ppo_training").check(kept).message
    assert "detach" in message and "(ratio * mask).mean().backward()" in message


def test_a_loss_that_was_cut_off_is_explained():
    def cut(policy, batches, beta, learning_rate):
        loss = policy.logprobs(*batches[0][:2]).detach().mean()
        loss.backward()

    assert "cut off" in exercise("my_dpo_training").check(cut).message


def test_the_first_loss_of_ppo_is_the_librarys():
    """The workbook's loop and the library's objective, on the same answers."""
    policy, prompts = BigramPolicy(seed=1), torch.tensor([1, 2, 3, 4])
    ids, mask = policy.sample(prompts, 4, seed=0)
    advantages = rloo_advantages(bigram_reward(ids, mask).reshape(4, 4)).flatten()
    logp = policy.logprobs(prompts.repeat_interleave(4), ids)
    loss, _ = policy_loss(logp, logp.detach(), advantages, mask, "ppo", "token", 0.2, 0.2)
    loss.backward()
    once = exercise("my_ppo_training")
    case = (BigramPolicy(seed=1), bigram_reward, prompts, 4, 1, 1, 0.2, 2.0)
    seen, _ = once.run(once.reference, case)
    expected = (BigramPolicy(seed=1).table - 2.0 * policy.table.grad).flatten().detach()
    assert torch.allclose(seen["the weights at the end"], expected)


def test_an_endless_loop_is_stopped_here_too():
    def endless(policy, batches, beta, learning_rate):
        while True:
            policy.zero_grad()

    short = dataclasses.replace(exercise("my_dpo_training"), seconds=0.1)
    assert "a loop without an end" in short.check(endless).message
    assert exercise("my_dpo_training").check(OTHERS["my_dpo_training"]).status == RIGHT


def one_update(build, case, loss_of) -> None:
    """After one update the workbook's loop has the weights that the library's loss leads to."""
    seen, _ = build.run(build.reference, case)
    model = copy.deepcopy(case[0])
    loss_of(model).backward()
    expected = torch.cat([(p - case[-1] * p.grad).flatten() for p in model.parameters()])
    assert torch.allclose(seen["the weights at the end"], expected.detach())


def test_an_update_of_dpo_is_the_librarys():
    build = exercise("my_dpo_training")
    policy, batches, beta, rate = build.cases()[0]
    prompts, chosen, chosen_mask, rejected, rejected_mask = batches[1]

    def loss_of(model):
        now = [(model.logprobs(prompts, ids) * mask).sum(1) for ids, mask in
               ((chosen, chosen_mask), (rejected, rejected_mask))]  # fmt: skip
        return dpo_loss(*now, *(logp.detach() for logp in now), beta)

    one_update(build, (policy, batches[1:2], beta, rate), loss_of)


def test_an_update_of_the_reward_model_is_the_librarys():
    build = exercise("my_reward_training")
    model, batches, held_out, rate = build.cases()[0]
    chosen, chosen_mask, rejected, rejected_mask = batches[0]

    def loss_of(model):
        rewards = [model(ids)[torch.arange(len(ids)), last_token(mask)] for ids, mask in
                   ((chosen, chosen_mask), (rejected, rejected_mask))]  # fmt: skip
        return bradley_terry_loss(*rewards)

    one_update(build, (model, batches[:1], held_out, rate), loss_of)
