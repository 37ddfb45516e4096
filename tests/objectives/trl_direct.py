"""The part of `trl_reference.py` about pairs and distributions: reward model, direct alignment, distillation.

TRL's trainers take whatever model they are given, so here it is a stand-in that answers with fixed numbers.
DPO, KTO and the reward model are the real trainers; CPO's, ORPO's and GKD's losses are methods that need
nothing but their settings. TRL has no REBEL, and its GKD no temperature with T^2 in front, no cross-entropy
and no loss on given answers alone.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch

MODEL = Path(__file__).resolve().parents[2] / "data" / "models" / "pocket-sft"
CHOSEN_LENGTHS, REJECTED_LENGTHS = [4, 2, 3, 1], [2, 3, 4, 3]
BETA = 0.3
PAIR_LOSSES = {  # name: settings of TRL's DPO
    "dpo": dict(loss_type="sigmoid"),
    "ipo": dict(loss_type="ipo"),
    "apo_zero": dict(loss_type="apo_zero"),
    "apo_down": dict(loss_type="apo_down"),
}
MARGIN_GAMMA, SMOOTHING, ODDS_WEIGHT = 0.4, 0.1, 0.25
KTO_WEIGHTS = dict(desirable_weight=1.0, undesirable_weight=1.5)
DIVERGENCES = [(0.0, 1.0), (1.0, 1.0), (0.5, 1.0), (0.1, 2.0)]  # beta, temperature


def fixed_pairs() -> dict[str, list]:
    """Token log-probabilities (8, 4), chosen answers first; labels; logits (2, 3, 5). Nested lists."""
    generator = torch.Generator().manual_seed(1)
    logp, drift = torch.randn(2, 8, 4, generator=generator).double()
    lengths = torch.tensor(CHOSEN_LENGTHS + REJECTED_LENGTHS)
    mask = (torch.arange(4) < lengths[:, None]).double()
    logp = (-logp.abs() - 0.1) * mask
    student, teacher = 2 * torch.randn(2, 2, 3, 5, generator=generator).double()
    parts = dict(
        pair_logp=logp,
        pair_ref_logp=logp + 0.8 * drift * mask,
        pair_mask=mask,
        desirable=torch.tensor([1.0, 0, 0, 1, 1, 0, 1, 0]),
        stranger_logp=-torch.rand(8, 4, generator=generator).double() * mask,
        stranger_ref_logp=-1.5 * torch.rand(8, 4, generator=generator).double() * mask,
        pair_rewards=torch.randn(8, generator=generator).double(),
        pair_margin=torch.rand(4, generator=generator).double(),
        student_logits=student,
        teacher_logits=teacher,
        logits_mask=(torch.arange(3) < torch.tensor([[3], [2]])).double(),
    )
    return {name: part.mul(1e4).round().div(1e4).tolist() for name, part in parts.items()}


def model_that_says(*answers: torch.Tensor):
    """A model whose successive calls return these token log-probabilities."""
    left = iter(answers)

    def call(**_):
        logp = next(left)
        zeros = torch.zeros_like(logp)
        metrics = dict(entropy=zeros, mean_logits=zeros, is_top1=zeros.bool())
        return SimpleNamespace(log_probs=logp, **metrics)

    return call


def make_trainer(kind: str, folder: str, rows: dict[str, list], **settings):
    """A real trainer of TRL on the pocket model."""
    import trl
    from datasets import Dataset

    config = getattr(trl, f"{kind}Config")(
        output_dir=folder, use_cpu=True, report_to=[], bf16=False, **settings
    )
    return getattr(trl, f"{kind}Trainer")(
        model=str(MODEL), args=config, train_dataset=Dataset.from_dict(rows)
    )


def with_prompt(mask: torch.Tensor) -> torch.Tensor:
    """The mask of whole sequences: one prompt token, then the completion."""
    return torch.cat((torch.zeros(len(mask), 1), mask), 1).long()


def result(loss: torch.Tensor, by: torch.Tensor) -> dict[str, object]:
    """The loss and its gradient."""
    return {"loss": loss.item(), "gradient": torch.autograd.grad(loss, by)[0].tolist()}


def trl_dpo(data: SimpleNamespace, **settings) -> dict[str, object]:
    """A loss of DPOTrainer and its gradient in the tokens' log-probabilities."""
    rows = dict(prompt=["hi"] * 2, chosen=["a fox"] * 2, rejected=["an owl"] * 2)
    logp, mask = data.pair_logp.clone().requires_grad_(), with_prompt(data.pair_mask)
    chosen, rejected = data.pair_ref_logp.sum(1).chunk(2)
    inputs = dict(
        input_ids=0 * mask,
        attention_mask=0 * mask + 1,
        completion_mask=mask,
        ref_chosen_logps=chosen,
        ref_rejected_logps=rejected,
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer("DPO", folder, rows, beta=BETA, **settings)
        trainer.precompute_ref_logps = True
        loss = trainer._compute_loss(model_that_says(logp), inputs, return_outputs=False)
    return result(loss, logp)


def trl_kto(data: SimpleNamespace) -> dict[str, object]:
    """KTOTrainer's loss; the reference point is made of mismatched answers."""
    rows = dict(prompt=["hi"] * 2, completion=["a fox", "an owl"], label=[True, False])
    logp, mask = data.pair_logp.clone().requires_grad_(), with_prompt(data.pair_mask)
    inputs = dict(
        label=data.desirable.bool(),
        input_ids=0 * mask,
        attention_mask=0 * mask + 1,
        completion_mask=mask,
        KL_input_ids=0 * mask,
        KL_attention_mask=0 * mask + 1,
        KL_completion_mask=mask,
        ref_logps=data.pair_ref_logp.sum(1),
        ref_KL_logps=data.stranger_ref_logp.sum(1),
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer("KTO", folder, rows, beta=BETA, **KTO_WEIGHTS)
        trainer.precompute_ref_logps = True
        model = model_that_says(data.stranger_logp, logp)
        loss = trainer._compute_loss(model, inputs, return_outputs=False)
    return result(loss, logp)


def trl_reward(data: SimpleNamespace, with_margin: bool) -> dict[str, object]:
    """RewardTrainer's loss of the rewards of chosen, then rejected answers."""
    rows = dict(prompt=["hi"] * 2, chosen=["a fox"] * 2, rejected=["an owl"] * 2)
    rewards = data.pair_rewards.clone().requires_grad_()
    inputs = dict(attention_mask=torch.ones(8, 2))
    if with_margin:
        inputs["margin"] = data.pair_margin
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer("Reward", folder, rows)
        loss = trainer.compute_loss(lambda **_: SimpleNamespace(logits=rewards[:, None]), inputs)
    return result(loss, rewards)


def trl_without_reference(data: SimpleNamespace) -> dict[str, object]:
    """SimPO and cDPO by CPOTrainer, ORPO by ORPOTrainer, from answers' log-probabilities (4,)."""
    from trl.experimental.cpo import CPOTrainer
    from trl.experimental.orpo import ORPOTrainer

    answers = mean_logps(data).requires_grad_()
    ratios = (data.pair_logp - data.pair_ref_logp).sum(1).requires_grad_()
    settings = dict(alpha=0.0, beta=BETA, simpo_gamma=MARGIN_GAMMA, label_smoothing=0.0)
    settings["accelerator"] = SimpleNamespace(device="cpu")
    simpo = SimpleNamespace(**settings, loss_type="simpo")
    cdpo = SimpleNamespace(**{**settings, "label_smoothing": SMOOTHING}, loss_type="sigmoid")
    orpo = SimpleNamespace(**{**settings, "beta": ODDS_WEIGHT})
    nll = -answers[:4].mean()
    odds = ORPOTrainer.odds_ratio_loss(orpo, *answers.chunk(2))[0].mean()
    return {
        "simpo": result(CPOTrainer.cpo_loss(simpo, *answers.chunk(2))[0].mean(), answers),
        "cdpo": result(CPOTrainer.cpo_loss(cdpo, *ratios.chunk(2))[0].mean(), ratios),
        "orpo": result(nll - odds, answers),
    }


def mean_logps(data: SimpleNamespace) -> torch.Tensor:
    """Each answer's mean log-probability per token, (8,)."""
    return data.pair_logp.sum(1) / data.pair_mask.sum(1)


def trl_jsd(data: SimpleNamespace, beta: float, temperature: float) -> dict[str, object]:
    """GKD's generalized Jensen-Shannon divergence."""
    from trl.experimental.gkd import GKDTrainer

    student = data.student_logits.clone().requires_grad_()
    labels = torch.where(data.logits_mask > 0, 1, -100)
    loss = GKDTrainer.generalized_jsd_loss(
        student, data.teacher_logits, labels=labels, beta=beta, temperature=temperature
    )
    return result(loss, student)


def from_trl(data: SimpleNamespace) -> dict[str, object]:
    """What TRL 1.16.0 gives."""
    results = {name: trl_dpo(data, **settings) for name, settings in PAIR_LOSSES.items()}
    results |= trl_without_reference(data)
    results["kto"] = trl_kto(data)
    results["reward"], results["reward_margin"] = trl_reward(data, False), trl_reward(data, True)
    for beta, temperature in DIVERGENCES:
        results[f"jsd_{beta}_{temperature}"] = trl_jsd(data, beta, temperature)
    return results
