"""Tokenizer, sampling, rollouts, loading."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from rlhf_lib.lm import (
    Policy,
    as_messages,
    draw_tokens,
    load_policy,
    load_tokenizer,
    train_tokenizer,
    truncate,
)
from rlhf_lib.lm.loading import TransformersModel
from rlhf_lib.lm.next_token import JoinedDecoder
from rlhf_lib.runtime import data_path

TOKENIZER = load_tokenizer(data_path("models", "pocket-sft"))
PROMPTS = ["what colour is a fox?", "hi", "write a short story about an owl."]


@settings(deadline=None, max_examples=60)
@given(text=st.text(max_size=60))
def test_any_unicode_text_comes_back(text):
    ids = TOKENIZER.encode(text, add_special_tokens=False)
    assert TOKENIZER.decode(ids) == text


def test_digits_stand_alone(pocket):
    assert len(pocket.tokenizer.encode("1234", add_special_tokens=False)) == 4


def test_the_chat_template_is_chatml(pocket):
    text = pocket.tokenizer.decode(pocket.prompt_ids("hi"))
    assert text == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert len(pocket.prompt_ids("hi")) <= 10  # role names are single tokens


def test_a_vocabulary_too_small_is_refused():
    with pytest.raises(ValueError, match="vocabulary_size"):
        train_tokenizer(["a"], vocabulary_size=100)


@torch.no_grad()
def test_rollouts_keep_the_log_probabilities_of_what_was_drawn(tiny):
    rollout = tiny.sample(PROMPTS, samples_per_prompt=3, max_new_tokens=12, seed=1)
    assert rollout.batch_size == 9 and rollout.prompts[3] == "hi"
    assert (tiny.logprobs(rollout) - rollout.logp).abs().max() < 1e-4
    assert torch.equal(rollout.logp, rollout.sampler_logp)
    assert rollout.token_ids.shape[1] == rollout.prompt_length + rollout.completion_mask.shape[1]


@torch.no_grad()
def test_finished_sequences_leave_the_batch_and_keep_their_rows(pocket, monkeypatch):
    sizes = []
    forward = JoinedDecoder.__call__

    def spy(self, token, *rest):
        sizes.append(len(token))
        return forward(self, token, *rest)

    monkeypatch.setattr(JoinedDecoder, "__call__", spy)
    rollout = pocket.sample(PROMPTS * 4, samples_per_prompt=4, max_new_tokens=40, seed=0)
    assert sizes[0] == 48 and sizes[-1] < 24 and sorted(sizes, reverse=True) == sizes
    monkeypatch.undo()
    assert torch.allclose(pocket.logprobs(rollout), rollout.logp, atol=1e-4)
    steps = torch.arange(rollout.completion_mask.shape[1])
    assert torch.equal(rollout.completion_mask.bool(), steps < rollout.lengths[:, None])


@torch.no_grad()
def test_sampling_log_probabilities_are_of_the_distribution_drawn_from(tiny):
    rollout = tiny.sample(PROMPTS, max_new_tokens=8, temperature=0.7, top_k=20, top_p=0.9, seed=1)
    logits = tiny.completion_logits(rollout) / 0.7
    expected = truncate(logits.flatten(0, 1), 20, 0.9).view_as(logits)
    expected = expected.gather(-1, rollout.completion_ids[..., None]).squeeze(-1)
    inside = rollout.completion_mask.bool()
    assert torch.allclose(expected[inside], rollout.sampler_logp[inside], atol=1e-4)
    assert (rollout.sampler_logp[inside] >= rollout.logp[inside] - 2).all()


@torch.no_grad()
def test_a_left_padded_batch_equals_single_sequences(pocket):
    rollout = pocket.sample(PROMPTS, max_new_tokens=10, seed=0)
    together = pocket.logprobs(rollout)
    for row in range(3):
        alone = rollout.select(torch.tensor([row]))
        width = alone.completion_mask.shape[1]
        assert torch.allclose(pocket.logprobs(alone)[0], together[row, :width], atol=1e-4)


@torch.no_grad()
def test_greedy_equals_transformers(pocket):
    rollout = pocket.sample([PROMPTS[0]], max_new_tokens=12, temperature=0)
    folder = data_path("models", "pocket-sft")
    theirs = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.tensor([pocket.prompt_ids(PROMPTS[0])])
    out = theirs.generate(ids, max_new_tokens=12, do_sample=False, eos_token_id=pocket.end_token,
                          pad_token_id=pocket.pad_token)  # fmt: skip
    assert (
        AutoTokenizer.from_pretrained(folder).decode(
            out[0, ids.shape[1] :], skip_special_tokens=True
        )
        == rollout.texts[0]
    )
    assert (rollout.sampler_logp == 0).all()


def test_a_seed_fixes_a_call_and_leaves_the_global_state_alone(tiny):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    a = tiny.sample(PROMPTS, max_new_tokens=6, seed=1)
    assert torch.equal(torch.rand(1), expected)
    b = tiny.sample(PROMPTS, max_new_tokens=6, seed=1)
    assert torch.equal(a.token_ids, b.token_ids)
    c = tiny.sample(PROMPTS, max_new_tokens=6, seed=2)
    assert a.token_ids.shape != c.token_ids.shape or not torch.equal(a.token_ids, c.token_ids)


def test_completions_end_at_their_end_token(pocket):
    rollout = pocket.sample(PROMPTS * 8, max_new_tokens=30, seed=0)
    for row in range(rollout.batch_size):
        length = int(rollout.lengths[row])
        ids = rollout.completion_ids[row]
        if rollout.finished[row]:
            assert ids[length - 1] == pocket.end_token
        assert (ids[: length - 1] != pocket.end_token).all()
        assert (ids[length:] == pocket.pad_token).all()
        assert (rollout.logp[row, length:] == 0).all()
    short = pocket.sample(PROMPTS, max_new_tokens=2, seed=0)
    assert not short.finished.all()


def test_truncation_keeps_the_right_tokens():
    """[DF-3]: by hand; at temperature 0.5 probabilities 0.8 and 0.2 become 16/17 and 1/17."""
    halved = truncate(torch.tensor([[0.8, 0.2]]).log() / 0.5).exp()[0].tolist()
    assert halved == pytest.approx([16 / 17, 1 / 17])
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    assert truncate(logits, top_k=2).exp()[0].tolist() == pytest.approx([0.625, 0.375, 0, 0])
    nucleus = truncate(logits, top_p=0.6).exp()[0].tolist()  # 0.5 is not enough, 0.5 + 0.3 is
    assert nucleus == pytest.approx([0.625, 0.375, 0, 0])
    assert truncate(logits, top_p=0.4).exp()[0].tolist() == pytest.approx([1, 0, 0, 0])
    assert truncate(logits, min_p=0.5).exp()[0].tolist() == pytest.approx([0.625, 0.375, 0, 0])
    assert (truncate(torch.zeros(3, 9), top_k=2) > -torch.inf).sum(-1).tolist() == [2, 2, 2]


def test_draws_have_the_distribution():
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log().expand(20_000, 3)
    token, logp, _ = draw_tokens(logits, generator=torch.Generator().manual_seed(0))
    shares = torch.bincount(token, minlength=3) / 20_000
    assert shares.tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.02)
    assert torch.allclose(logp, logits.gather(1, token[:, None]).squeeze(1))


def test_a_token_that_is_ruled_out_is_never_drawn():
    """Not even where the random point falls on the very end of the line."""
    never = -torch.inf
    logits = torch.tensor([[never, 0.0, never, 1.0, never]]).expand(50_000, 5)
    token, logp, sampler_logp = draw_tokens(logits, generator=torch.Generator().manual_seed(0))
    assert set(token.tolist()) == {1, 3} and torch.isfinite(logp).all()
    token, _, sampler_logp = draw_tokens(
        torch.randn(20_000, 7), temperature=1.3, top_k=2, top_p=0.8
    )
    assert torch.isfinite(sampler_logp).all()


def test_logits_that_are_no_numbers_get_through_to_where_they_are_reported():
    token, logp, _ = draw_tokens(torch.full((2, 4), torch.nan))
    assert (token < 4).all() and logp.isnan().all()


def one_by_one(policy, rollout):
    """The log-probabilities (B, T) of each row alone."""
    rows = [rollout.select(torch.tensor([row])) for row in range(rollout.batch_size)]
    together = torch.zeros_like(rollout.logp)
    for row, alone in enumerate(rows):
        together[row, : alone.completion_mask.shape[1]] = policy.logprobs(alone)[0]
    return together


@pytest.mark.parametrize("max_new_tokens", [1, 2, 9])
def test_completions_that_share_a_prompt_are_scored_as_if_they_did_not(tiny, max_new_tokens):
    """Each prompt goes through the model once: the same numbers, and the same gradients."""
    rollout = tiny.sample(PROMPTS, samples_per_prompt=3, max_new_tokens=max_new_tokens, seed=0)
    rollout = rollout.select(torch.tensor([4, 0, 8, 1, 5, 2, 7]))
    gradients = []
    for logp in (tiny.logprobs(rollout), one_by_one(tiny, rollout)):
        loss = (logp * torch.arange(7.0)[:, None]).sum()
        gradients.append(torch.autograd.grad(loss, list(tiny.model.parameters())))
        assert torch.allclose(logp, rollout.logp, atol=1e-5)
    for shared, alone in zip(*gradients, strict=True):
        assert torch.allclose(shared, alone, atol=1e-4)


def test_what_was_sampled_can_be_trained_on(tiny):
    """Sampling runs in inference mode, whose tensors autograd refuses."""
    rollout = tiny.sample(PROMPTS, max_new_tokens=3, seed=0)
    assert not any(x.is_inference() for x in vars(rollout).values() if isinstance(x, torch.Tensor))
    weight = torch.ones(3, 3, requires_grad=True)
    (weight * rollout.logp).sum().backward()
    assert torch.equal(weight.grad, rollout.logp)


@torch.no_grad()
def test_given_texts_become_rollouts(pocket):
    rollout = pocket.encode_completions(PROMPTS[:2], ["a fox is red.", "hello"])
    assert rollout.texts == ["a fox is red.", "hello"]
    assert rollout.completion_ids[0, int(rollout.lengths[0]) - 1] == pocket.end_token
    assert pocket.decode(rollout.completion_ids) == rollout.texts
    with pytest.raises(ValueError, match="differ in length"):
        pocket.encode_completions(PROMPTS, ["a"])


@torch.no_grad()
def test_entropy_is_that_of_the_distribution(tiny):
    rollout = tiny.sample(PROMPTS[:1], max_new_tokens=3, seed=0)
    _, entropy = tiny.logprobs(rollout, with_entropy=True)
    p = tiny.completion_logits(rollout).softmax(-1)
    assert torch.allclose(entropy, -(p * p.log()).sum(-1) * rollout.completion_mask, atol=1e-4)


def test_a_copy_has_weights_of_its_own(tiny):
    frozen = tiny.copy(frozen=True)
    assert not any(p.requires_grad for p in frozen.model.parameters())
    with torch.no_grad():
        tiny.model.model.norm.weight.add_(1)
    assert not torch.equal(tiny.model.model.norm.weight, frozen.model.model.norm.weight)


def test_saved_policies_load_again(tiny, tmp_path):
    tiny.save(tmp_path)
    again = load_policy(str(tmp_path))
    a, b = (p.sample(PROMPTS, max_new_tokens=5, seed=0).texts for p in (tiny, again))
    assert a == b
    assert not list(tmp_path.glob("*.bin")) and not list(tmp_path.glob("*.pt"))


@torch.no_grad()
def test_other_architectures_run_behind_the_same_interface(tokenizer):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    inner = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2))
    policy = Policy(TransformersModel(inner.eval()), tokenizer, device="cpu")
    rollout = policy.sample(PROMPTS, samples_per_prompt=2, max_new_tokens=6, seed=0)
    assert (policy.logprobs(rollout) - rollout.logp).abs().max() < 1e-4
    assert torch.allclose(policy.logprobs(rollout), one_by_one(policy, rollout), atol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.sample([]), "at least one prompt"),
        (lambda p: p.sample(["a"], temperature=-1), "temperature"),
        (lambda p: p.sample(["a"], top_p=0), "top_p"),
        (lambda p: p.sample(["a"], top_k=0), "top_k"),
        (lambda p: p.sample(["a"], min_p=2), "min_p"),
        (lambda p: p.sample(["a"], max_new_tokens=0), "max_new_tokens"),
        (lambda p: p.sample(["a"], samples_per_prompt=0), "samples_per_prompt"),
        (lambda p: as_messages(3), "a prompt is a text"),
    ],
)
def test_broken_inputs_get_a_sentence(tiny, call, message):
    with pytest.raises(ValueError, match=message):
        call(tiny)


def test_unknown_and_missing_models_say_what_to_type(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="use 'pocket-base', 'pocket-sft', 'smollm2'"):
        load_policy("pocket-stf")
    monkeypatch.setenv("RLHF_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="make models"):
        load_policy("pocket-sft")


def test_a_missing_smollm2_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr("rlhf_lib.lm.loading.SMOLLM2", tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="make smollm2"):
        load_policy("smollm2")


def test_a_hub_model_out_of_reach_says_what_to_type_instead(monkeypatch):
    def unreachable(*arguments, **settings):
        raise ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(OSError, match=r"load_policy\('pocket-sft'\)"):
        load_policy("someone/some-model")
