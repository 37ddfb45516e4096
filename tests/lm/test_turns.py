"""Completions in which not every token is the policy's own."""

import copy

import pytest
import torch

from rlhf_lib.lm import Policy, last_token, own_turns
from rlhf_lib.lm.chat import ChatFormat
from rlhf_lib.lm.loading import TransformersModel
from rlhf_lib.objectives import policy_loss
from rlhf_lib.training.batch import at_last_token

PROMPTS = ["what is 12 * 3?", "hi", "write a short story about an owl."]
PUT_IN = [7, 8, 9, 10, 11]


def in_between(times: int):
    """A reply that puts the same five tokens behind each of the first `times` turns of a row."""
    asked: dict[int, int] = {}

    def reply(row: int, turn: list[int]):
        asked[row] = asked.get(row, 0) + 1
        return PUT_IN if asked[row] <= times else None

    return reply


def of_transformers(tokenizer) -> Policy:
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2)
    return Policy(TransformersModel(GPT2LMHeadModel(config).eval()), tokenizer, device="cpu")


@pytest.fixture(params=["our decoder", "transformers"])
def talker(request, tiny, tokenizer) -> Policy:
    """A random policy to which one token in six ends a turn."""
    policy = tiny if request.param == "our decoder" else of_transformers(tokenizer)
    policy.end_tokens = tuple(range(0, len(tokenizer), 6))
    return policy


def alone(policy: Policy, rollout, row: int) -> torch.Tensor:
    """Log-probabilities (T,) of one row by the plain forward pass: no padding, no batch, no cache."""
    real = rollout.attention_mask[row] > 0
    ids = rollout.token_ids[row, real][None]
    start = int(real[: rollout.prompt_length].sum())
    logp = policy.model(ids)[0, start - 1 : -1].log_softmax(-1)
    found = logp.gather(-1, ids[0, start:, None]).squeeze(-1)
    width = rollout.completion_mask.shape[1]
    found = torch.nn.functional.pad(found, (0, width - len(found)))
    return found * rollout.loss_mask[row]


@torch.no_grad()
@pytest.mark.parametrize("per_prompt", [1, 4])
def test_log_probabilities_are_those_of_single_sequences(talker, per_prompt):
    """Rows that were given tokens, rows that leave the batch, padding on both sides: to 1e-5."""
    rollout = talker.sample(
        PROMPTS, per_prompt, max_new_tokens=30, seed=1, reply=in_between(2), budget=3
    )
    forced = (rollout.completion_mask > 0) & (rollout.loss_mask == 0)
    assert forced.any() and rollout.finished.any()
    scored = talker.logprobs(rollout)
    for row in range(rollout.batch_size):
        expected = alone(talker, rollout, row)
        torch.testing.assert_close(scored[row], expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(rollout.logp[row], expected, atol=1e-5, rtol=0)
    assert (rollout.logp[forced] == 0).all() and (rollout.sampler_logp[forced] == 0).all()


@torch.no_grad()
def test_what_was_put_in_stands_where_it_was_asked_for(talker):
    heard: list[tuple[int, list[int]]] = []

    def reply(row: int, turn: list[int]):
        heard.append((row, turn))
        return PUT_IN if sum(r == row for r, _ in heard) <= 2 else None

    rollout = talker.sample(PROMPTS, 4, max_new_tokens=40, seed=3, reply=reply)
    turns = own_turns(rollout.completion_ids, rollout.loss_mask)
    for row in range(rollout.batch_size):
        length = int(rollout.lengths[row])
        ids = rollout.completion_ids[row, :length].tolist()
        said = [turn for asked, turn in heard if asked == row]
        assert turns[row][: len(said)] == said  # what the reply heard are the ids that are kept
        assert all(turn[-1] in talker.end_tokens for turn in said)
        cut = len(said) - bool(rollout.finished[row])
        pieces = [i for turn in said[:cut] for i in [*turn, *PUT_IN]]
        assert ids[: len(pieces)] == pieces
        assert (
            rollout.completion_mask[row]
            == (torch.arange(len(rollout.completion_mask[row])) < length)
        ).all()
    assert torch.equal(last_token(rollout.loss_mask), last_token(rollout.completion_mask))


def test_replies_end_at_their_limits(talker):
    always = talker.sample(
        PROMPTS, 2, max_new_tokens=60, seed=0, reply=lambda *_: PUT_IN, max_replies=2
    )
    own = own_turns(always.completion_ids, always.loss_mask)
    ended = [ids[-1][-1] in talker.end_tokens for ids in own]
    assert max(map(len, own)) == 3 and not always.finished[torch.tensor(ended)].any()
    tight = talker.sample(PROMPTS, 2, max_new_tokens=9, seed=0, reply=lambda *_: PUT_IN)
    last = last_token(tight.completion_mask)
    assert (
        tight.loss_mask.gather(1, last[:, None]) == 1
    ).all()  # no reply is cut off in its middle
    assert not tight.finished.any()
    never = talker.sample(PROMPTS, 2, max_new_tokens=20, seed=0, reply=lambda *_: None)
    plain = talker.sample(PROMPTS, 2, max_new_tokens=20, seed=0)
    assert torch.equal(never.token_ids, plain.token_ids)
    assert torch.equal(never.finished, plain.finished) and plain.finished.any()


def test_a_budget_ends_the_thinking(talker):
    """After three tokens of its own a row gets two, and then draws on; one that ended before does not."""
    stop = [5, 6]

    def reply(row: int, turn: list[int]):
        return None if turn[-1] in talker.end_tokens else stop

    rollout = talker.sample(PROMPTS, 4, max_new_tokens=12, seed=0, reply=reply, budget=3)
    for ids, own, length in zip(
        rollout.completion_ids.tolist(),
        rollout.loss_mask.tolist(),
        rollout.lengths.tolist(),
        strict=True,
    ):
        if length > 3:
            assert ids[3:5] == stop and own[: int(length)] == [1, 1, 1, 0, 0] + [1] * (
                int(length) - 5
            )
        else:
            assert sum(own) == length
    with pytest.raises(ValueError, match="budget must be 1 or more and needs a reply"):
        talker.sample(PROMPTS, budget=3)


def three_calls(world, policy: Policy):
    """Runs PocketWorld's tools on whatever a turn says, three times a row; and what it has heard."""
    heard: list[tuple[int, list[int]]] = []
    calls = ["calculator(27 * 3)", "lookup(fox colour)", "calculator(81 / 0)"]

    def reply(row: int, turn: list[int]):
        number = sum(r == row for r, _ in heard)
        heard.append((row, turn))
        if number == 3:
            return None
        answer = policy.replies(lambda text: world.run_tool(calls[number]))
        return answer(row, turn)

    return reply, heard


def test_a_transcript_of_three_calls_trains_its_own_tokens_alone(pocket, world):
    """Gradient on no forced token, reward at the last own token, log-probabilities, ids unchanged."""
    reply, heard = three_calls(world, pocket)
    prompts = ["use the calculator: what is 27 * 3?", "hello"]
    rollout = pocket.sample(prompts, 2, max_new_tokens=200, seed=0, reply=reply)
    assert rollout.finished.all()
    turns = own_turns(rollout.completion_ids, rollout.loss_mask)
    for row, own in enumerate(turns):
        assert len(own) == 4 and own == [turn for asked, turn in heard if asked == row]
    text = pocket.tokenizer.decode(rollout.completion_ids[0])
    assert "81" in text and text.count("<|im_start|>tool") == 3
    assert rollout.texts[0] == "\n".join(
        pocket.tokenizer.batch_decode(turns[0], skip_special_tokens=True)
    )

    policy = pocket.copy()
    logp = policy.logprobs(rollout)
    for row in range(rollout.batch_size):
        expected = alone(policy, rollout, row)
        torch.testing.assert_close(logp[row], expected, atol=1e-5, rtol=0)

    logp.retain_grad()
    old = torch.zeros_like(logp).copy_(logp.detach())
    loss, _ = policy_loss(logp, old, torch.ones(4), rollout.loss_mask, "ppo", "token")
    loss.backward()
    own = rollout.loss_mask > 0
    assert (logp.grad[~own] == 0).all() and (logp.grad[own] != 0).all()
    placed = at_last_token(torch.ones(4), rollout.loss_mask)
    last = rollout.lengths.long() - 1
    assert torch.equal(placed.argmax(1), last) and (placed.sum(1) == 1).all()
    assert torch.equal(placed * rollout.loss_mask, placed)


def test_next_turns_are_what_the_template_writes(pocket):
    """Prompt, answer, end token and the next turn's ids are the ids of the whole conversation."""
    talk = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello."}]
    result = {"role": "tool", "content": "81"}
    answer = pocket.tokenizer.encode("hello.", add_special_tokens=False)
    pieces = pocket.prompt_ids(talk[:1]) + answer + [pocket.end_token]
    assert pieces + pocket.next_turn_ids(result) == pocket.prompt_ids([*talk, result])


TALK = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "what is 27 * 3?"},
    {"role": "assistant", "content": "call calculator(27 * 3)"},
    {"role": "tool", "content": "81"},
    {"role": "assistant", "content": "it is 81."},
]
MARKED = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}"
    "{% endgeneration %}{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def test_conversations_are_trained_on_where_the_assistant_speaks(pocket):
    """Ids and mask are transformers' `return_assistant_tokens_mask`, in which the answers are marked."""
    rollout = pocket.encode_conversations([TALK, TALK[:3]])
    for row, messages in enumerate((TALK, TALK[:3])):
        theirs = pocket.tokenizer.apply_chat_template(
            messages, chat_template=MARKED, return_dict=True, return_assistant_tokens_mask=True
        )
        real = rollout.attention_mask[row] > 0
        before = torch.zeros(rollout.prompt_length)
        own = torch.cat((before, rollout.loss_mask[row]))[real].int().tolist()
        assert rollout.token_ids[row][real].tolist() == theirs["input_ids"][:-1]  # but the last \n
        assert own == theirs["assistant_masks"][:-1]
    assert rollout.texts[0] == "call calculator(27 * 3)\nit is 81." and rollout.finished.all()
    assert rollout.prompts[0] == TALK[:2]


def test_the_last_turn_alone_is_an_answer_to_all_before(pocket):
    last = pocket.encode_conversations([TALK], train_on="last")
    answer = pocket.encode_completions([TALK[:-1]], ["it is 81."])
    assert torch.equal(last.token_ids, answer.token_ids)
    assert torch.equal(last.loss_mask, answer.completion_mask)


def test_conversations_that_cannot_be_trained_on_say_why(pocket, tokenizer):
    for talk in (TALK[:2], TALK[2:], TALK[:4]):
        with pytest.raises(ValueError, match="conversation 1 must begin"):
            pocket.encode_conversations([TALK, talk])
    with pytest.raises(ValueError, match="train_on must be"):
        pocket.encode_conversations([TALK], train_on="first")
    forgetful = pocket.copy()
    forgetful.tokenizer = copy.deepcopy(pocket.tokenizer)
    forgetful.tokenizer.chat_template = MARKED.replace(
        "message['content'] + '<|im_end|>' }}{% endgen",
        "(message['content'] if loop.last else '...') + '<|im_end|>' }}{% endgen",
    )
    forgetful.chat = ChatFormat(forgetful.tokenizer)
    with pytest.raises(ValueError, match="take train_on='last'"):
        forgetful.encode_conversations([TALK])
    assert forgetful.encode_conversations([TALK], train_on="last").batch_size == 1
