"""bfloat16 on the CPU: what it may cost, and what it must not."""

import warnings

import pytest
import torch

from rlhf_lib.lm import encode_answers, load_policy, score_answers
from rlhf_lib.lm.next_token import JoinedDecoder
from rlhf_lib.runtime import autocast, data_path
from rlhf_lib.training.guards import optimizer_step

EARLY, LATE = slice(0, 64), slice(384, 512)


@pytest.fixture
def bf16(monkeypatch):
    """Compute in bfloat16, as on a GPU."""
    monkeypatch.setenv("RLHF_DTYPE", "bfloat16")


@pytest.fixture(scope="module")
def long_rows(pocket, world):
    """Four rows of 512 tokens of documents.

    Skips where torch's own attention fails on so many bfloat16 numbers: torch 2.13 with
    ATEN_CPU_CAPABILITY=default does on a CPU that has AVX-512.
    """
    import itertools

    probe = torch.zeros(4, 4, 512, 32, dtype=torch.bfloat16)
    try:
        torch.nn.functional.scaled_dot_product_attention(probe, probe, probe, is_causal=True)
    except RuntimeError as error:
        pytest.skip(f"torch cannot attend in bfloat16 here: {error}")
    text = "\n".join(itertools.islice(world.documents(3), 300))
    ids = pocket.tokenizer.encode(text, add_special_tokens=False)
    return torch.tensor(ids[: 4 * 512]).view(4, 512)


def kl(exact: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """KL (T,) of next-token distributions to the exact ones, mean over rows."""
    p, q = exact.log_softmax(-1), logits.float().log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1).mean(0)


@torch.no_grad()
def test_late_positions_are_as_good_as_in_transformers(pocket, long_rows):
    """Rotary frequencies rounded to bfloat16 cost 12 times the KL at positions above 256."""
    from transformers import AutoModelForCausalLM

    exact = pocket.model(long_rows)
    ours = load_policy("pocket-sft", dtype=torch.bfloat16).model
    assert ours.frequencies.dtype == torch.float32 and ours.lm_head.weight.dtype == torch.bfloat16
    assert torch.equal(ours.frequencies, pocket.model.frequencies.cpu())
    folder = data_path("models", "pocket-sft")
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    our_kl, their_kl = kl(exact, ours(long_rows)), kl(exact, theirs(long_rows).logits)
    for part in (EARLY, LATE):
        assert our_kl[part].mean() < 3 * their_kl[part].mean()


def test_rotations_stay_exact_behind_the_interface_too(tokenizer):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from rlhf_lib.lm import TransformersModel

    config = Qwen2Config(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=32,
                         num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2)  # fmt: skip
    model = TransformersModel(Qwen2ForCausalLM(config))
    before = model.inner.model.rotary_emb.inv_freq.clone()
    model.to(torch.bfloat16)
    assert model.inner.lm_head.weight.dtype == torch.bfloat16
    assert torch.equal(model.inner.model.rotary_emb.inv_freq, before)


@torch.no_grad()
def test_autocast_costs_as_little_late_as_early(pocket, long_rows, bf16):
    exact = pocket.model(long_rows)
    with autocast("cpu"):
        logits = pocket.model(long_rows)
    assert logits.dtype == torch.bfloat16
    gap = kl(exact, logits)
    assert gap.mean() < 2e-3 and gap[LATE].mean() < 10 * gap[EARLY].mean()


@torch.no_grad()
@pytest.mark.parametrize("weights", [torch.float32, torch.bfloat16])
def test_the_sampler_is_no_coarser_than_the_scorer(long_rows, bf16, weights):
    """Its angles were products of integers and rounded frequencies, themselves rounded."""
    exact_model = load_policy("pocket-sft").model
    model, ids = load_policy("pocket-sft", dtype=weights).model, long_rows
    seen = torch.ones(4, 512)
    with autocast("cpu"):
        cache, joined = model.new_cache(4, 512), JoinedDecoder(model, 512)
        logits = torch.stack(
            [joined(ids[:, t], seen[:, : t + 1], cache) for t in range(512)], dim=1
        )
        scorer = model(ids)
    assert logits.dtype == cache.keys[0].dtype == torch.bfloat16
    exact = exact_model(ids)
    for part in (EARLY, LATE):
        assert kl(exact, logits)[part].mean() < 3 * kl(exact, scorer)[part].mean()


@torch.no_grad()
def test_what_was_sampled_is_scored_alike(pocket, bf16):
    """Log-probabilities are float32 numbers from 16-bit logits, here and there."""
    rollout = pocket.sample(["what colour is a fox?", "hi"], 8, max_new_tokens=30, seed=0)
    gap = (pocket.logprobs(rollout) - rollout.logp).abs()[rollout.loss_mask > 0]
    assert rollout.logp.dtype == torch.float32 and gap.mean() < 0.03
    answers = encode_answers(pocket, ["hi"], ["hello."])
    exact_to = score_answers(pocket, answers).item() * 1024
    assert exact_to != round(exact_to)  # finer than bfloat16 could hold it


def moved(policy, rate: float) -> float:
    """Share of the weights that four updates change."""
    before = [p.detach().clone() for p in policy.model.parameters()]
    optimizer = torch.optim.AdamW(policy.model.parameters(), rate, weight_decay=0.0)
    rollout = policy.encode_completions(["hi", "what?"], ["a fox is red.", "an owl eats mice."])
    for step in range(4):
        optimizer_step(-policy.logprobs(rollout).sum(), optimizer, 1.0, f"step {step}")
    after = list(policy.model.parameters())
    changed = sum(int((a != b).sum()) for a, b in zip(before, after, strict=True))
    return changed / sum(p.numel() for p in before)


def test_small_steps_move_float32_weights_under_autocast(pocket, monkeypatch):
    """At a learning rate of 1e-6 bfloat16 weights stay where they are, all but a few; that is said."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exact = moved(pocket.copy(), 1e-6)
        monkeypatch.setenv("RLHF_DTYPE", "bfloat16")
        mixed = moved(pocket.copy(), 1e-6)
    monkeypatch.delenv("RLHF_DTYPE")
    with pytest.warns(UserWarning, match="weights that are trained are torch.bfloat16"):
        coarse = moved(load_policy("pocket-sft", dtype=torch.bfloat16), 1e-6)
    assert exact > 0.9 and mixed > 0.99 * exact and coarse < 0.1


@torch.no_grad()
def test_rewards_of_16_bit_trunks_are_float32_numbers(pocket, bf16):
    from rlhf_lib.rewards import RewardModel

    model = RewardModel(load_policy("pocket-sft", dtype=torch.bfloat16))
    assert model.head.weight.dtype == torch.float32
    rewards = model.score_texts(["hi"] * 3, ["hello.", "a fox.", "no"])
    assert rewards.dtype == torch.float32 and (rewards != rewards.bfloat16().float()).any()
