"""Makes `trl_reference.json`: what TRL's own code gives on fixed inputs. The test suite needs no TRL.

Run it once under each of two versions; each run rewrites its own part of the file:

    python -m venv trl-now && trl-now/bin/pip install torch==2.13.0 trl==1.16.0
    python -m venv trl-old && trl-old/bin/pip install torch==2.13.0 trl==0.11.4 transformers==4.46.3 rich
    trl-now/bin/python -m tests.objectives.trl_reference
    trl-old/bin/python -m tests.objectives.trl_reference

TRL 1.16.0: the losses of GRPO, DAPO, Dr. GRPO, GSPO and CISPO, k3, group and RLOO advantages; and of pairs
and distributions, see `trl_direct.py`. Real
trainers on the pocket model are built; only the log-probabilities and the rewards are given. TRL 1.16.0 no
longer has PPO, GAE or an adaptive controller, so these come from 0.11.4, the last release with its
first PPOTrainer: GAE, whitening, the clipped value loss, the controller, and PPO's loss.

Left out, because TRL computes it only in the middle of generation with vLLM: truncated importance weights.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch

from tests.objectives import trl_direct

HERE = Path(__file__).resolve().parent
OUTPUT = HERE / "trl_reference.json"
MODEL = HERE.parents[1] / "data" / "models" / "pocket-sft"
LENGTHS = [5, 2, 4]
MAX_LENGTH = 8
REWARDS = [[1.0, 0.0, 0.0, 0.5], [0.3, 0.3, 0.3, 0.3], [-2.0, 4.0, 1.0, 1.5]]
KL_UPDATES = [(3.0, 64), (30.0, 64), (6.3, 128), (0.0, 32)]
LOSSES = {  # name: settings of TRL, settings of ours
    "grpo": (dict(loss_type="grpo"), dict(aggregate="sequence")),
    "dapo": (dict(loss_type="dapo", epsilon_high=0.28), dict(aggregate="token", clip_high=0.28)),
    "bnpo": (dict(loss_type="bnpo"), dict(aggregate="token")),
    "dr_grpo": (dict(loss_type="dr_grpo"), dict(aggregate="fixed", max_length=MAX_LENGTH)),
    "gspo": (
        dict(loss_type="grpo", importance_sampling_level="sequence", epsilon=0.1, epsilon_high=0.1),
        dict(algorithm="gspo", aggregate="sequence", clip_low=0.1, clip_high=0.1),
    ),
    "cispo": (
        dict(loss_type="cispo", epsilon_high=1.5),
        dict(algorithm="cispo", aggregate="token", clip_low=1.0, clip_high=0.5),
    ),
}


def fixed_inputs() -> dict[str, list]:
    """Inputs of the losses as nested lists, rounded so that they read and store exactly."""
    generator = torch.Generator().manual_seed(0)
    shape = (len(LENGTHS), max(LENGTHS))
    logp, drift, ref, values = torch.randn(4, *shape, generator=generator).double()
    mask = (torch.arange(shape[1]) < torch.tensor(LENGTHS)[:, None]).double()
    rewards = torch.randn(shape, generator=generator).double() * mask
    logp = -logp.abs() - 0.1
    parts = dict(
        logp=logp,
        old_logp=logp - 0.3 * drift,
        ref_logp=logp + 0.4 * ref,
        mask=mask,
        rewards=rewards,
        values=values,
        old_values=values + 0.5 * drift,
        advantages=torch.tensor([1.0, -0.5, 0.8]).double(),
    )
    policy = {name: part.mul(1e4).round().div(1e4).tolist() for name, part in parts.items()}
    return policy | trl_direct.fixed_pairs()


def tensors(inputs: dict[str, list]) -> SimpleNamespace:
    """The same as float64 tensors."""
    return SimpleNamespace(**{k: torch.tensor(v, dtype=torch.float64) for k, v in inputs.items()})


def make_trainer(kind: str, folder: str, rewards=REWARDS, **settings):
    """A real GRPO or RLOO trainer of TRL on the pocket model, whose reward function says `rewards`."""
    import trl
    from datasets import Dataset

    numbers = torch.tensor(rewards).flatten().tolist()
    config = getattr(trl, f"{kind}Config")(
        output_dir=folder,
        use_cpu=True,
        report_to=[],
        bf16=False,
        per_device_train_batch_size=len(numbers),
        num_generations=len(rewards[0]),
        max_completion_length=MAX_LENGTH,
        **settings,
    )
    return getattr(trl, f"{kind}Trainer")(
        model=str(MODEL),
        reward_funcs=lambda completions, **_: numbers,
        args=config,
        train_dataset=Dataset.from_dict({"prompt": ["what colour is a fox?"] * len(rewards)}),
    )


def trl_advantages(kind: str, **settings) -> list[list[float]]:
    """Advantages (N, G) that a trainer gives to REWARDS."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(kind, folder, beta=0.0, **settings)
        batch = [{"prompt": "what colour is a fox?"}] * sum(len(row) for row in REWARDS)
        output = trainer._generate_and_score_completions(batch)
    return output["advantages"].view(len(REWARDS), -1).tolist()


def trl_loss(data: SimpleNamespace, beta: float = 0.0, **settings) -> dict[str, object]:
    """GRPOTrainer's loss of the given log-probabilities, and its gradient in them."""
    logp, ids = data.logp.clone().requires_grad_(), torch.zeros(data.mask.shape, dtype=torch.long)
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer("GRPO", folder, beta=beta, **settings)
        trainer.current_gradient_accumulation_steps = 1
        trainer.args.steps_per_generation = 1
        trainer._get_per_token_logps_and_entropies = lambda *_, **__: (logp, logp * 0, None)
        inputs = dict(
            prompt_ids=ids[:, :1],
            prompt_mask=ids[:, :1] + 1,
            completion_ids=ids,
            completion_mask=data.mask,
            advantages=data.advantages,
            old_per_token_logps=data.old_logp,
            ref_per_token_logps=data.ref_logp,
            num_items_in_batch=data.mask.sum(),
        )
        loss = trainer._compute_loss(trainer.model, inputs)
    return {"loss": loss.item(), "gradient": torch.autograd.grad(loss, logp)[0].tolist()}


def trl_k3(data: SimpleNamespace, corrected: bool) -> dict[str, object]:
    """The KL term alone: advantages of 0, beta 1, one mean over all tokens.

    corrected: times the ratio, as TRL 1.16.0 does by default; the GRPO paper does without.
    """
    still = SimpleNamespace(**{**vars(data), "advantages": torch.zeros(len(LENGTHS)).double()})
    return trl_loss(still, beta=1.0, loss_type="bnpo", use_bias_correction_kl=corrected)


def from_trl_now(data: SimpleNamespace) -> dict[str, object]:
    """What TRL 1.16.0 gives."""
    result = {name: trl_loss(data, **theirs) for name, (theirs, _) in LOSSES.items()}
    result["k3"], result["k3_times_ratio"] = trl_k3(data, False), trl_k3(data, True)
    for scale in ("group", "batch", "none"):
        result[f"group_advantages_{scale}"] = trl_advantages("GRPO", scale_rewards=scale)
    result["rloo_advantages"] = trl_advantages("RLOO")
    return result | trl_direct.from_trl(data)


def from_trl_old(data: SimpleNamespace) -> dict[str, object]:
    """What TRL 0.11.4 gives; `PPOTrainer`'s methods are called with a stand-in for the trainer."""
    from trl.core import masked_whiten
    from trl.trainer.ppo_trainer import PPOTrainer
    from trl.trainer.utils import AdaptiveKLController

    config = SimpleNamespace(
        gamma=0.97, lam=0.9, whiten_rewards=False, cliprange=0.2, cliprange_value=0.2, vf_coef=1.0,
        ratio_threshold=1e9,
    )  # fmt: skip
    stand_in, d = SimpleNamespace(config=config), data
    _, whitened, returns = PPOTrainer.compute_advantages(stand_in, d.values, d.rewards, d.mask)
    policy, value, _ = PPOTrainer.loss(
        stand_in, d.old_logp, d.old_values, torch.zeros(*d.mask.shape, 2).double(), d.values,
        d.logp, d.mask, d.advantages[:, None].expand_as(d.mask), returns,
    )  # fmt: skip
    control, coefficients = AdaptiveKLController(0.2, target=6.0, horizon=1000), []
    for kl, count in KL_UPDATES:
        control.update(kl, count)
        coefficients.append(float(control.value))
    return {
        "gae_returns": (returns * d.mask).tolist(),
        "gae_whitened": (whitened * d.mask).tolist(),
        "whiten": (masked_whiten(d.rewards, d.mask) * d.mask).tolist(),
        "ppo": policy.item(),
        "value_loss": value.item(),
        "adaptive_kl": coefficients,
    }


def main() -> None:
    """Write the part of this TRL's version."""
    import trl

    makers = {"1.16.0": from_trl_now, "0.11.4": from_trl_old}
    inputs = fixed_inputs()
    stored = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.exists() else {}
    stored["inputs"] = inputs
    stored[f"trl {trl.__version__}"] = makers[trl.__version__](tensors(inputs))
    lines = [f'"{part}": {{{rows(stored[part])}\n}}' for part in stored]
    OUTPUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def rows(table: dict[str, object]) -> str:
    """One line for each entry."""
    return ",".join(f'\n "{name}": {json.dumps(value)}' for name, value in table.items())


if __name__ == "__main__":
    main()
