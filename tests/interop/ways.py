"""Ways of asking one checkpoint for answers: our own, and other people's tools, which get the folder as it is.

A way is a function (folder, prompts, sampled, seed) -> texts: greedy, or drawn at temperature 1 from the
whole distribution. No end token, template or padding side is passed: a checkpoint must say them itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from rlhf_lib.lm import Policy, load_policy, load_tokenizer
from rlhf_lib.lm.loading import TransformersModel

TOKENS = 40
"""The longest answer."""

Way = Callable[[Path, list, bool, int], list[str]]


def own_decoder(folder: Path, prompts: list, sampled: bool = False, seed: int = 0) -> list[str]:
    """`load_policy` and our sampler."""
    return _ours(load_policy(str(folder), device="cpu"), prompts, sampled, seed)


def transformers_model(
    folder: Path, prompts: list, sampled: bool = False, seed: int = 0
) -> list[str]:
    """transformers' model behind our sampler."""
    model = TransformersModel.from_pretrained(folder)
    return _ours(Policy(model, load_tokenizer(folder), device="cpu"), prompts, sampled, seed)


def _ours(policy: Policy, prompts: list, sampled: bool, seed: int) -> list[str]:
    temperature = 1.0 if sampled else 0.0
    drawn = policy.sample(prompts, max_new_tokens=TOKENS, temperature=temperature, seed=seed)
    return drawn.texts


def generate(folder: Path, prompts: list, sampled: bool = False, seed: int = 0) -> list[str]:
    """`generate` of transformers on one batch, padded by its tokenizer."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return _generate(model, folder, prompts, sampled, seed)


def peft_adapter(folder: Path, prompts: list, sampled: bool = False, seed: int = 0) -> list[str]:
    """The same behind a fresh LoRA adapter, which changes nothing yet."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))
    return _generate(adapted.eval(), folder, prompts, sampled, seed)


@torch.no_grad()
def _generate(model, folder: Path, prompts: list, sampled: bool, seed: int) -> list[str]:
    from transformers import AutoTokenizer, set_seed

    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer.apply_chat_template(
        [messages_of(prompt) for prompt in prompts],
        add_generation_prompt=True, padding=True, return_dict=True, return_tensors="pt",
    )  # fmt: skip
    set_seed(seed)
    how = dict(do_sample=True, temperature=1.0, top_k=0, top_p=1.0) if sampled else {}
    out = model.generate(**inputs, max_new_tokens=TOKENS, **(how or dict(do_sample=False)))
    return tokenizer.batch_decode(out[:, inputs.input_ids.shape[1] :], skip_special_tokens=True)


def lm_eval(folder: Path, prompts: list, sampled: bool = False, seed: int = 0) -> list[str]:
    """lm-evaluation-harness: `generate_until` behind the chat template."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM
    from transformers import set_seed

    asked = HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=64)
    how = dict(temperature=1.0, top_k=0, top_p=1.0) if sampled else {}
    how |= {"do_sample": sampled, "max_gen_toks": TOKENS, "until": []}
    requests = [
        Instance("generate_until", {}, (asked.apply_chat_template(messages_of(p)), how), i)
        for i, p in enumerate(prompts)
    ]
    set_seed(seed)
    return asked.generate_until(requests, disable_tqdm=True)


def trl_grpo(folder: Path, prompts: list, sampled: bool = False, seed: int = 0) -> list[str]:
    """The answers that TRL's GRPOTrainer hands to its reward function."""
    from datasets import Dataset
    from trl import GRPOTrainer

    found: dict[int, str] = {}

    def reward(completions, row, **_):
        found.update(zip(row, (c[0]["content"] for c in completions), strict=True))
        return [0.0] * len(row)

    rows = [{"prompt": messages_of(p), "row": i} for i, p in enumerate(prompts)]
    with tempfile.TemporaryDirectory() as to:
        config = grpo_config(to, sampled, seed, generation_batch_size=2 * len(rows))
        data = Dataset.from_list(rows)
        GRPOTrainer(str(folder), reward, args=config, train_dataset=data).train()
    return [found[i] for i in range(len(prompts))]


def grpo_config(folder: str, sampled: bool = True, seed: int = 0, **settings):
    """One step at rate 0 of TRL's GRPO, two answers to a prompt."""
    from trl import GRPOConfig

    own = dict(
        num_generations=2, per_device_train_batch_size=2, max_completion_length=TOKENS, beta=0.0,
        generation_kwargs={"do_sample": sampled}, top_k=0, loss_type="grpo", seed=seed,
    )  # fmt: skip
    return GRPOConfig(**{**trl_common(folder), **own, **settings})


def trl_common(folder: str, **settings) -> dict:
    """What all of TRL's trainers get: the CPU, float32, one step, no files."""
    own = dict(
        output_dir=folder, use_cpu=True, bf16=False, report_to=[], save_strategy="no", max_steps=1,
        disable_tqdm=True, gradient_checkpointing=False, learning_rate=0.0,
    )  # fmt: skip
    return {**own, **settings}


def messages_of(prompt) -> list[dict]:
    """A prompt's conversation, as other tools want it."""
    return [dict(message) for message in prompt.messages]


WAYS: dict[str, tuple[Way, str]] = {
    "own decoder": (own_decoder, ""),
    "TransformersModel": (transformers_model, ""),
    "transformers generate": (generate, ""),
    "peft": (peft_adapter, "peft"),
    "lm-evaluation-harness": (lm_eval, "lm_eval"),
    "TRL GRPOTrainer": (trl_grpo, "trl"),
}
"""name -> the way, and the package that it needs besides our own."""
