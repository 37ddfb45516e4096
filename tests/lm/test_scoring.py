"""Scoring given answers: equal to token-by-token scoring, whatever else is in the batch."""

import pytest
import torch

from rlhf_lib.lm import answer_logp, encode_answers, score_answers
from rlhf_lib.lm.scoring import padded

PROMPTS = ["hi", "who is there at this late hour?", "what?", "hi"]
TEXTS = ["yes.", "an owl. an owl. an owl. an owl. an owl. an owl.", "no no no.", "a"]


def test_scores_are_those_of_the_rollout(tiny):
    answers = encode_answers(tiny, PROMPTS, TEXTS)
    rollout = tiny.encode_completions(PROMPTS, TEXTS)
    token_logp = tiny.logprobs(rollout)
    torch.testing.assert_close(answer_logp(tiny, answers), token_logp.sum(1))
    mean = token_logp.sum(1) / rollout.lengths
    torch.testing.assert_close(answer_logp(tiny, answers, mean=True), mean)
    assert [a.length for a in answers] == rollout.lengths.tolist()


def test_order_and_company_do_not_matter(tiny):
    answers = encode_answers(tiny, PROMPTS, TEXTS)
    whole = score_answers(tiny, answers)
    torch.testing.assert_close(score_answers(tiny, answers[::-1]).flip(0), whole)
    single = torch.cat([score_answers(tiny, [answer]) for answer in answers])
    torch.testing.assert_close(single, whole)
    assert not whole.requires_grad


def test_the_gradient_is_that_of_the_rollout(tiny):
    answer_logp(tiny, encode_answers(tiny, PROMPTS, TEXTS)).sum().backward()
    first = [p.grad.clone() for p in tiny.model.parameters()]
    tiny.model.zero_grad()
    tiny.logprobs(tiny.encode_completions(PROMPTS, TEXTS)).sum().backward()
    for ours, parameter in zip(first, tiny.model.parameters(), strict=True):
        torch.testing.assert_close(ours, parameter.grad, atol=1e-5, rtol=1e-4)


def test_padding_by_hand(tiny):
    """Prompt of 2 and answer of 1, prompt of 1 and answer of 3: position t predicts token t + 1."""
    from rlhf_lib.lm import EncodedAnswer

    rows = [EncodedAnswer([5, 6, 7], 2), EncodedAnswer([8, 1, 2, 3], 1)]
    ids, targets, row = padded(rows, pad_token=0, device="cpu")
    assert ids.tolist() == [[5, 6, 7, 0], [8, 1, 2, 3]]
    assert targets.tolist() == [[False, True, False], [True, True, True]]
    assert row.tolist() == [0, 1, 1, 1]


def test_wrong_lengths_are_named(tiny):
    with pytest.raises(ValueError, match="of one length, 1 or more; got 1 and 2"):
        encode_answers(tiny, ["hi"], ["a", "b"])
    with pytest.raises(ValueError, match="1 or more"):
        encode_answers(tiny, [], [])


@torch.no_grad()
def test_the_log_probability_of_an_answer_by_hand(tiny):
    """[DF-1]: log p(answer | prompt) is the sum over its tokens, each given all before it."""
    (answer,) = encode_answers(tiny, ["hi"], ["an owl"])
    total = 0.0
    for place in range(answer.prompt_length, len(answer.token_ids)):
        so_far = torch.tensor([answer.token_ids[:place]])
        total += tiny.model(so_far)[0, -1].log_softmax(-1)[answer.token_ids[place]].item()
    assert score_answers(tiny, [answer]).item() == pytest.approx(total, abs=1e-4)
    assert answer.token_ids[-1] == tiny.end_token and answer.length >= 2
