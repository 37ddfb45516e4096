"""Rebuild everything in `data/` from seeds: tokenizer, pocket models, reward model, preferences.

    python -m rlhf_lib.training.build_models            # all of it, half an hour on two cores
    python -m rlhf_lib.training.build_models sft reward # some of it

Each model folder holds safetensors in the transformers layout and a README.md (model card).
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

from ..lm import Decoder, DecoderConfig, Policy, load_policy, train_tokenizer
from ..rewards import OutcomeModel, ProcessModel, RewardModel
from ..runtime import data_path, set_seed
from ..world import PocketWorld, label_pairs
from .pretrain import PretrainSettings, train_language_model
from .reward_model import (
    RewardModelSettings,
    score_steps,
    train_outcome_model,
    train_process_model,
    train_reward_model,
)
from .sft import SFTSettings, train_sft
from .writing import write_preferences

SEED = 0
VOCABULARY = 1024
SHAPE = dict(hidden_size=128, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=4)
PAIRS = 4000
ANSWER_TOKENS = 40


def folder(name: str) -> Path:
    """Where the model of this name is shipped."""
    return data_path("models", name)


def build_base() -> None:
    """pocket-base: a tokenizer, then next-token prediction on documents of mixed quality."""
    set_seed(SEED)
    world = PocketWorld()
    started = time.perf_counter()
    tokenizer = train_tokenizer(corpus(world, 20_000), vocabulary_size=VOCABULARY)
    model = Decoder(
        DecoderConfig(
            vocab_size=len(tokenizer), intermediate_size=384, tie_word_embeddings=True, **SHAPE
        )
    )
    policy = Policy(model, tokenizer, name="pocket-base")
    history = train_language_model(policy, world.documents(SEED), PretrainSettings(seed=SEED))
    policy.save(folder("pocket-base"))
    write_card(
        "pocket-base",
        "A 1M-parameter decoder in the Llama architecture, pre-trained on documents of PocketWorld: "
        "notes, stories, sums, quizzes and forum threads of mixed quality. It continues documents; "
        "asked a question it may well ask another one.",
        f"Next-token loss at the end: {history.last('loss'):.3f} nats per token.",
        time.perf_counter() - started,
        "base",
    )


def corpus(world: PocketWorld, n: int) -> list[str]:
    """Texts for the tokenizer: documents, demonstrations, and the words of the chat template."""
    documents = list(itertools.islice(world.documents(SEED), n))
    chats = [f"{prompt.text} {answer}" for prompt, answer in world.demonstrations(n // 4)]
    return documents + chats + ["system\nuser\nassistant\ntool\n"] * 200


def build_sft() -> None:
    """pocket-sft: pocket-base fine-tuned on demonstrations of mixed quality."""
    set_seed(SEED)
    world = PocketWorld()
    started = time.perf_counter()
    policy = load_policy("pocket-base")
    history = train_sft(policy, world.demonstrations(SFT_DEMONSTRATIONS, seed=SEED), SFT)
    policy.save(folder("pocket-sft"))
    gold = mean_gold(world, policy)
    write_card(
        "pocket-sft",
        "pocket-base after supervised fine-tuning on PocketWorld's instruction set, in which more than "
        "half of the answers have a fault: off the topic, said twice, hedged, wrong, unfinished, or "
        "given to an unsafe request. That leaves something for preference learning to do.",
        f"Completion loss at the end: {history.last('loss'):.3f} nats per token. Mean gold utility "
        f"on held-out requests: {gold:.2f}.",
        time.perf_counter() - started,
        "sft",
    )


SFT_DEMONSTRATIONS = 16_000
SFT = SFTSettings(seed=SEED)


def mean_gold(world: PocketWorld, policy: Policy, n: int = 512) -> float:
    """Mean gold utility of sampled answers to held-out requests."""
    prompts = world.prompts(n, seed=99, split="test")
    rollout = policy.sample(prompts, max_new_tokens=ANSWER_TOKENS, seed=99)
    scores = [world.gold(p, t) for p, t in zip(rollout.prompts, rollout.texts, strict=True)]
    return sum(scores) / len(scores)


def sample_pairs(policy: Policy, world: PocketWorld, annotator, n: int, seed: int, split="train"):
    """`n` comparisons of two answers that the policy gives to the same request; empty ones are left out."""
    prompts = world.prompts(n, seed=seed, split=split)
    texts = []
    for start in range(0, n, 256):
        part = prompts[start : start + 256]
        texts += policy.sample(part, 2, ANSWER_TOKENS, seed=seed + start).texts
    pairs = label_pairs(prompts, texts[0::2], texts[1::2], annotator, seed=seed)
    return [pair for pair in pairs if pair.chosen.strip() and pair.rejected.strip()]


def build_reward() -> None:
    """pocket-reward: a Bradley-Terry model on biased comparisons of pocket-sft's answers."""
    set_seed(SEED)
    world = PocketWorld()
    started = time.perf_counter()
    policy = load_policy("pocket-sft")
    pairs = sample_pairs(policy, world, world.annotator(), PAIRS, seed=1)
    held_out = sample_pairs(policy, world, world.annotator(), 500, seed=2, split="test")
    for name, rows in (("pocket-train", pairs), ("pocket-test", held_out)):
        write_preferences(data_path("preferences", f"{name}.jsonl"), rows)
    model = RewardModel.from_policy(policy, seed=SEED)
    history = train_reward_model(model, pairs, RewardModelSettings(seed=SEED), held_out=held_out)
    model.save(folder("pocket-reward"))
    write_card(
        "pocket-reward",
        f"A Bradley-Terry reward model: pocket-sft with a scalar head, one epoch on {len(pairs)} "
        "comparisons by PocketWorld's simulated humans (noisy; biased to length, flattery, "
        "confidence and lists).",
        f"Agreement with held-out comparisons: {history.last('held_out_accuracy'):.3f}.",
        time.perf_counter() - started,
        "reward",
    )


WORKED_SUMS = 16_000
ON_SUMS = RewardModelSettings(seed=SEED, learning_rate=1e-3, epochs=2, batch_size=16)


def build_outcome() -> None:
    """pocket-outcome: an outcome reward model on worked sums that are right or wrong at the end."""
    world, started = PocketWorld(), time.perf_counter()
    model = OutcomeModel(load_policy("pocket-sft"), seed=SEED)
    examples = [(s.prompt, s.answer, s.right) for s in world.worked_sums(WORKED_SUMS, SEED)]
    history = train_outcome_model(model, examples, ON_SUMS)
    model.save(folder("pocket-outcome"))
    write_card(
        "pocket-outcome",
        f"An outcome reward model: pocket-sft with a scalar head, two epochs on {WORKED_SUMS} worked "
        "sums. At each token: the logit that the final number will be right.",
        f"Accuracy by the mean logit, last 100 batches: {_late(history, 100):.3f}.",
        time.perf_counter() - started,
        "outcome",
    )


def build_process() -> None:
    """pocket-process: a process reward model on the steps of the same worked sums."""
    world, started = PocketWorld(), time.perf_counter()
    model = ProcessModel(load_policy("pocket-sft"), seed=SEED)
    train_process_model(model, world.worked_sums(WORKED_SUMS, SEED), ON_SUMS)
    model.save(folder("pocket-process"))
    write_card(
        "pocket-process",
        f"A process reward model: pocket-sft with a head of three outputs, two epochs on {WORKED_SUMS} "
        "worked sums. At the end of each step: logits of bad, neutral and good.",
        f"Share of held-out calculations judged rightly as good or not: {step_accuracy(model, world):.3f}.",
        time.perf_counter() - started,
        "process",
    )


def step_accuracy(model: ProcessModel, world: PocketWorld, n: int = 300) -> float:
    """How often the sign of P(good) - P(bad) is right on the two calculations of held-out sums."""
    examples = world.worked_sums(n, seed=2, split="test")
    judged = [
        (score > 0) == (label == 2)
        for prompt, steps, labels in examples
        for score, label in zip(score_steps(model, prompt, steps)[:2], labels[:2], strict=True)
    ]
    return sum(map(bool, judged)) / len(judged)


def _late(history, count: int) -> float:
    return sum(history.series("accuracy")[-count:]) / count


def write_card(name: str, what: str, quality: str, seconds: float, command: str) -> None:
    """The model card beside the weights."""
    folder(name).joinpath("README.md").write_text(
        f"# {name}\n\n{what}\n\n- How good it is: {quality}\n- Seed: {SEED}\n- Rebuilt by: "
        f"`python -m rlhf_lib.training.build_models {command}` ({seconds:.0f} s on two cores)\n"
        "- Data: generated by `rlhf_lib.world.PocketWorld` (seed 0); nothing from outside\n"
        "- Licence: MIT\n"
    )


BUILDERS = {
    "base": build_base,
    "sft": build_sft,
    "reward": build_reward,
    "outcome": build_outcome,
    "process": build_process,
}


def main(names: list[str]) -> None:
    """Build the named parts, or all of them, in order."""
    unknown = set(names) - set(BUILDERS)
    if unknown:
        raise SystemExit(f"unknown part {', '.join(unknown)}; known: {', '.join(BUILDERS)}")
    for name in names or BUILDERS:
        print(f"building {name} ...", flush=True)
        BUILDERS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
