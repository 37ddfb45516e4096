"""`make bench`: speed against transformers and TRL, both sides in one process, their repetitions interleaved.

Each row takes the median seconds of both sides after a warm-up and prints their ratio beside the one to
reach (exit status 0 whatever the ratios are). What is the same on both sides, and checked in this file:

- the model (pocket-sft: the same weights), float32, the CPU, the threads;
- rollout: 16 prompts, 4 completions each, at temperature 1 without top-k or top-p; the result is tokens and
  their log-probabilities (equal on both sides to 1e-4). Once without an end token, exactly 48 tokens each; and
  once as the chapters do it, where answers end by themselves, 48 tokens at most: counted are the tokens of
  the answers, up to the end token, and what is computed beyond it is lost;
- a GRPO step: the same 8 prompts, 8 completions each, once of exactly 32 tokens and once of up to 32 (the mean
  lengths of both sides agree within a tenth), a reward function of the text,
  advantages by group, the clipped loss with a sequence mean, 0.05 * k3 to a reference policy, entropy as a metric,
  one AdamW update with gradients clipped at 1. A step is all of it, from sampling to the update. TRL runs
  without gradient checkpointing (its default), which would cost it time and save memory that is not short here;
- a DPO step: the same 32 pairs, tokenised before, the reference's log-probabilities computed before (TRL's
  `precompute_ref_log_probs`, off by default), the same optimizer; the mean loss of all steps is equal to 1e-3.

Peak memory of a smaller step of each is measured in processes of its own (`bench_memory`), for SmolLM2 where
it has been fetched.

On a machine that does other work as well, the ratios move by a quarter and more. Not measured here: the labs
(tests/browser) and the chapters (`make book`).
"""

from __future__ import annotations

import functools
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from rlhf_lib.lm import Policy, load_policy, load_tokenizer, sample
from rlhf_lib.lm.loading import SMOLLM2
from rlhf_lib.runtime import data_path, set_seed
from rlhf_lib.training import (
    DirectSettings,
    DirectTrainer,
    OnlineTrainer,
    preset,
    read_preferences,
)
from rlhf_lib.world import PocketWorld

MODEL = data_path("models", "pocket-sft")
WARM_UP = 3
REPEATS = 12
RATE = 1e-5
NO_END = -1
"""An end token that no model draws: every completion gets its full length."""


@dataclass
class Row:
    """One line of the table: seconds that one unit of work took, and the ratio to reach."""

    work: str
    ours: list[float]
    theirs: list[float]
    target: float
    unit: str = "steps/s"

    @property
    def ratio(self) -> float:
        """How many times quicker we are."""
        return median(self.theirs) / median(self.ours)

    def __str__(self) -> str:
        speeds = [f"{1 / median(side):7.2f} {self.unit}" for side in (self.ours, self.theirs)]
        return line(self.work, *speeds, f"{self.ratio:.2f} x", f">= {self.target} x", self.reached)

    @property
    def reached(self) -> bool:
        """Whether the ratio is there."""
        return self.ratio >= self.target


def line(work: str, ours: str, theirs: str, ratio: str, target: str, reached: bool | str) -> str:
    """Columns of the table."""
    if isinstance(reached, bool):
        reached = "reached" if reached else "NOT reached"
    return f"{work:35s} {ours:>25s} {theirs:>25s} {ratio:>8s} {target:>9s}  {reached}"


def seconds(work: Callable[[], object]) -> tuple[float, object]:
    """How long a call took, and what it gave."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def same(what: str, ours, theirs) -> None:
    """Stop if the two sides did not do the same work."""
    if ours != theirs:
        raise RuntimeError(f"not the same work: {what} is {ours} here and {theirs} there")


# --- rollout
def rollout_row(prompts: list, per_prompt: int = 4, tokens: int = 48, ends: bool = False) -> Row:
    """`lm.sample` against `generate` and one scoring pass. ends: whether there is an end token."""
    from transformers import AutoModelForCausalLM

    policy = load_policy("pocket-sft", device="cpu")
    theirs = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    (ids, mask), batch = policy.encode(prompts), len(prompts) * per_prompt
    end = policy.end_token if ends else NO_END

    def ours():
        return sample(
            policy.model, ids, mask, samples_per_prompt=per_prompt, max_new_tokens=tokens,
            end_token=end, pad_token=policy.pad_token,
        ).completion_mask  # fmt: skip

    work = f"rollout, {batch} x {'up to ' if ends else ''}{tokens} tokens"
    row = Row(work, [], [], 4.0, "thousand tokens/s")
    for turn in range(WARM_UP + REPEATS):
        ours_took, our_mask = seconds(ours)
        theirs_took, (full_ids, their_mask, logp) = seconds(
            lambda: generate_and_score(theirs, ids, mask, per_prompt, tokens, end, policy.pad_token)
        )
        if turn >= WARM_UP:
            row.ours.append(1e3 * ours_took / float(our_mask.sum()))
            row.theirs.append(1e3 * theirs_took / float(their_mask.sum()))
    if not ends:
        same("the number of tokens", int(our_mask.sum()), batch * tokens)
        same("the number of tokens", int(our_mask.sum()), int(their_mask.sum()))
    check_scores(policy, mask.repeat_interleave(per_prompt, 0), full_ids, their_mask, logp)
    return row


@torch.no_grad()
def generate_and_score(model, ids, mask, per_prompt: int, tokens: int, end: int, pad: int):
    """What transformers takes for the same: completions, their mask, the log-probabilities of their tokens."""
    full_ids = model.generate(
        input_ids=ids, attention_mask=mask.long(), num_return_sequences=per_prompt, do_sample=True,
        temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=tokens, pad_token_id=pad,
        eos_token_id=None if end == NO_END else end,
    )  # fmt: skip
    completions = full_ids[:, ids.shape[1] :]
    inside = ((completions == end).cumsum(1) - (completions == end).long()) == 0
    full_mask = torch.cat((mask.repeat_interleave(per_prompt, 0).long(), inside.long()), 1)
    positions = (full_mask.cumsum(1) - 1).clamp(min=0)
    logits = model(
        input_ids=full_ids, attention_mask=full_mask, position_ids=positions,
        logits_to_keep=completions.shape[1] + 1, use_cache=False,
    ).logits[:, :-1]  # fmt: skip
    logp = logits.log_softmax(-1).gather(-1, completions[..., None]).squeeze(-1)
    return full_ids, inside.float(), logp * inside


@torch.no_grad()
def check_scores(policy: Policy, prompt_mask, full_ids, completion_mask, logp) -> None:
    """Our decoder gives transformers' tokens the same log-probabilities: it is the same model."""
    full_mask = torch.cat((prompt_mask, completion_mask), 1)
    tokens = logp.shape[1]
    logits = policy.model(full_ids, full_mask)[:, -tokens - 1 : -1]
    ours = logits.log_softmax(-1).gather(-1, full_ids[:, -tokens:, None]).squeeze(-1)
    gap = float((ours * completion_mask - logp).abs().max())
    same("agreement of log-probabilities to 1e-4", gap < 1e-4, True)


# --- training steps
def alternate(step: Callable[[], object], row: Row):
    """A callback for TRL's trainer: after each of its steps, one of ours; both are timed."""
    from transformers import TrainerCallback

    class Alternate(TrainerCallback):
        def on_train_begin(self, args, state, control, **kwargs):
            self.started = time.perf_counter()

        def on_step_end(self, args, state, control, **kwargs):
            theirs = time.perf_counter() - self.started
            ours, _ = seconds(step)
            if state.global_step > WARM_UP:
                row.ours.append(ours), row.theirs.append(theirs)
            self.started = time.perf_counter()

    return Alternate()


def common(folder: str, steps: int = WARM_UP + REPEATS) -> dict:
    """Settings that all of TRL's trainers get."""
    return dict(
        output_dir=folder, use_cpu=True, bf16=False, report_to=[], save_strategy="no",
        logging_strategy="no", disable_tqdm=True, gradient_checkpointing=False, max_grad_norm=1.0,
        max_steps=steps, optim="adamw_torch", weight_decay=0.0, learning_rate=RATE,
        lr_scheduler_type="constant", dataloader_pin_memory=False, seed=0,
    )  # fmt: skip


def grpo_row(prompts: list, per_prompt: int = 8, tokens: int = 32, ends: bool = False) -> Row:
    """`OnlineTrainer.step` against a step of TRL's GRPOTrainer. ends: whether there is an end token."""
    batch = len(prompts) * per_prompt
    policy = load_policy("pocket-sft", device="cpu")
    policy = policy if ends else unending(policy)
    settings = preset(
        "grpo", prompts_per_step=len(prompts), samples_per_prompt=per_prompt, minibatches=1,
        max_new_tokens=tokens, kl_coefficient=0.05, learning_rate=RATE,
    )  # fmt: skip

    ours = OnlineTrainer(policy, prompts, text_reward, settings)
    row = Row(f"GRPO step, {batch} x {'up to ' if ends else ''}{tokens} tokens, KL", [], [], 2.5)
    with tempfile.TemporaryDirectory() as folder:
        step = alternate(ours.step, row)
        theirs = trl_grpo(folder, prompts, per_prompt, tokens, ends, step)
        theirs.train()
    turns, said = WARM_UP + REPEATS, theirs.state.log_history[-1]
    length = sum(ours.history.series("length")) / turns
    gap = abs(length / said["completions/mean_length"] - 1)
    same("the mean length to a tenth", gap < 0.1, True)
    if not ends:
        each = batch * tokens + per_prompt * sum(len(policy.prompt_ids(p)) for p in prompts)
        same("the mean length", length, said["completions/mean_length"])
        same("all tokens", turns * each, int(theirs.state.num_input_tokens_seen))
    check_models(policy.model, theirs.model)
    return row


def trl_grpo(
    folder: str, prompts: list, per_prompt: int, tokens: int, ends: bool, callback=None,
    model: Path = MODEL, steps: int = WARM_UP + REPEATS,
):  # fmt: skip
    """A GRPOTrainer that sees the same prompts at every step."""
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import GRPOConfig, GRPOTrainer

    config = GRPOConfig(
        **common(folder, steps), per_device_train_batch_size=len(prompts) * per_prompt,
        num_generations=per_prompt, max_completion_length=tokens, beta=0.05, loss_type="grpo",
        use_bias_correction_kl=False, shuffle_dataset=False,
        generation_kwargs={} if ends else {"eos_token_id": None},
    )  # fmt: skip
    rows = [{"prompt": prompt.messages} for prompt in prompts] * steps
    trainer = GRPOTrainer(
        model=str(model),
        reward_funcs=lambda completions, **_: rewards_of([c[0]["content"] for c in completions]),
        args=config,
        train_dataset=Dataset.from_list(rows),
        callbacks=[callback] if callback else None,
    )
    if not ends:
        trainer.eos_token_ids = [NO_END]
    trainer.remove_callback(PrinterCallback)
    return trainer


def unending(policy: Policy) -> Policy:
    """The policy, whose answers now all get their full length."""
    policy.end_token = NO_END
    return policy


def text_reward(rollout) -> torch.Tensor:
    """`rewards_of` as our trainers want it."""
    return torch.tensor(rewards_of(rollout.texts))


def rewards_of(texts: list[str]) -> list[float]:
    """A reward that costs nothing and differs within groups."""
    return [float(len(text)) for text in texts]


def dpo_row(pairs: list) -> Row:
    """`DirectTrainer.step` against a step of TRL's DPOTrainer."""
    policy = load_policy("pocket-sft", device="cpu")
    ours = DirectTrainer(policy, DirectSettings(loss="dpo", beta=0.1, learning_rate=RATE))
    data = ours.prepare(pairs)
    row = Row(f"DPO step, {len(pairs)} pairs", [], [], 1.5)
    with tempfile.TemporaryDirectory() as folder:
        step = alternate(lambda: ours.step(data, range(len(pairs))), row)
        theirs = trl_dpo(folder, pairs, step)
        theirs.train()
    each = sum(len(answer.token_ids) for answer in data.chosen + data.rejected)
    said = theirs.state.log_history[-1]
    same("all tokens", (WARM_UP + REPEATS) * each, int(said["num_tokens"]))
    loss = sum(ours.history.series("loss")) / (WARM_UP + REPEATS)
    same("the mean loss to 1e-3", abs(loss - said["train_loss"]) < 1e-3, True)
    check_models(policy.model, theirs.model)
    return row


def is_alike(pair) -> bool:
    """No tie, and no answer that begins with a space: TRL tokenises it with the newline before it."""
    return not pair.tie and not (pair.chosen[0].isspace() or pair.rejected[0].isspace())


def trl_dpo(
    folder: str, pairs: list, callback=None, model: Path = MODEL,
    steps: int = WARM_UP + REPEATS,
):  # fmt: skip
    """A DPOTrainer that sees the same pairs at every step, in plain text: the template's, tokenised alike."""
    from datasets import Dataset
    from torch.utils.data import SequentialSampler
    from transformers import PrinterCallback
    from trl import DPOConfig, DPOTrainer

    config = DPOConfig(
        **common(folder, steps), per_device_train_batch_size=len(pairs), beta=0.1,
        precompute_ref_log_probs=True,
    )  # fmt: skip
    template = functools.partial(
        load_tokenizer(model).apply_chat_template, tokenize=False, add_generation_prompt=True
    )
    rows = [
        {
            "prompt": template(list(pair.prompt.messages)),
            "chosen": pair.chosen,
            "rejected": pair.rejected,
        }
        for pair in pairs
    ]
    trainer = DPOTrainer(
        model=str(model),
        args=config,
        train_dataset=Dataset.from_list(rows * steps),
        callbacks=[callback] if callback else None,
    )
    trainer._get_train_sampler = lambda dataset=None: SequentialSampler(trainer.train_dataset)
    trainer.remove_callback(PrinterCallback)
    return trainer


def check_models(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    """As many parameters, of the same dtype."""
    for what in (lambda p: p.numel(), lambda p: str(p.dtype)):
        sides = [sorted(what(p) for p in model.parameters()) for model in (ours, theirs)]
        same("the model", *sides)


# --- import
def import_seconds() -> float:
    """Median seconds of `import rlhf_lib` in a fresh process."""
    script = "import time; t = time.perf_counter(); import rlhf_lib; print(time.perf_counter() - t)"
    runs = [
        subprocess.check_output([sys.executable, "-c", script], encoding="utf-8") for _ in range(5)
    ]
    return median(map(float, runs))


def quiet() -> None:
    """No advice and no progress bars between the rows."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    for name in ("TRL_EXPERIMENTAL_SILENCE", "TQDM_DISABLE", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
        os.environ.setdefault(name, "1")
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()


def main() -> None:
    """Measure and print row by row."""
    from . import bench_memory

    quiet()
    set_seed(0)
    prompts = PocketWorld().prompts(16)
    print(f"{torch.get_num_threads()} threads, medians of {REPEATS} interleaved repetitions")
    print(line("work", "this library", "transformers, TRL", "ratio", "to reach", ""))
    print(rollout_row(prompts), flush=True)
    print(rollout_row(prompts, ends=True), flush=True)
    print(grpo_row(prompts[:8]), flush=True)
    print(grpo_row(prompts[:8], ends=True), flush=True)
    pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    print(dpo_row([pair for pair in pairs if is_alike(pair)][:32]), flush=True)
    for model in (MODEL, *([SMOLLM2] if (SMOLLM2 / "config.json").exists() else [])):
        for work in bench_memory.WORKS:
            print(bench_memory.memory_row(work, model), flush=True)
    took = import_seconds()
    print(line("import rlhf_lib", f"{took:.2f} s", "", "", "<= 1.5 s", took <= 1.5))


if __name__ == "__main__":
    main()
