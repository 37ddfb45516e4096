"""Rebuild everything in `data/` from seeds: tokenizer, pocket models, reward models, preferences.

    python -m rlhf_lib.experiments.build_models            # all of it, some four hours on one core
    python -m rlhf_lib.experiments.build_models sft reward # some of it

Each model folder holds safetensors in the transformers layout and a model card (README.md, card.json).
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path
from typing import Any

from ..lm import Decoder, DecoderConfig, Policy, load_policy, train_tokenizer
from ..rewards import OutcomeModel, ProcessModel, RewardModel
from ..runtime import data_path, set_seed
from ..training.pretrain import PretrainSettings, document_loss, train_language_model
from ..training.reward_model import (
    RewardModelSettings,
    score_steps,
    train_outcome_model,
    train_process_model,
    train_reward_model,
)
from ..training.sft import SFTSettings, train_sft
from ..training.writing import write_preferences
from ..world import PERSONAS, PocketWorld, label_pairs, persona_prompt
from .model_cards import ANSWER_TOKENS, mean_gold, measure_policy, write_card

SEED = 0
VOCABULARY = 1152
SHAPE = dict(
    hidden_size=128,
    intermediate_size=384,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=4,
)
LARGE_SHAPE = dict(
    hidden_size=256,
    intermediate_size=768,
    num_hidden_layers=4,
    num_attention_heads=8,
    num_key_value_heads=8,
)
PRETRAINING = PretrainSettings(seed=SEED, steps=2400)
LARGE_PRETRAINING = PretrainSettings(seed=SEED, steps=2400, learning_rate=2e-3)
SFT_DEMONSTRATIONS = 16_000
SFT = SFTSettings(seed=SEED)
PAIRS = 4000
WORKED_SUMS = 16_000
ON_SUMS = RewardModelSettings(seed=SEED, learning_rate=1e-3, epochs=2, batch_size=16)
COURSE = SFTSettings(seed=SEED, batch_size=48, learning_rate=1e-3)

FAULTS = (
    "PocketWorld's instruction set, in which more than half of the answers have a fault: off the "
    "topic, said twice, hedged, wrong, unfinished, or given to an unsafe request. That leaves something "
    "for preference learning to do"
)


def folder(name: str) -> Path:
    """Where the model of this name is shipped."""
    return data_path("models", name)


def corpus(world: PocketWorld, n: int) -> list[str]:
    """Texts for the tokenizer: documents, demonstrations, and the words that formats are made of."""
    documents = list(itertools.islice(world.documents(SEED), n))
    chats = [f"{prompt.text} {answer}" for prompt, answer in world.demonstrations(n // 4)]
    roles = "system\nuser\nassistant\ntool\ncall\nso\ncheck\n"
    names = " ".join(f"lookup({animal}" for animal in world.facts)
    return documents + chats + [roles, names] * 200


def pretrain(name: str, tokenizer, shape: dict, settings: PretrainSettings) -> Policy:
    """A new model after next-token prediction on documents."""
    set_seed(SEED)
    model = Decoder(DecoderConfig(vocab_size=len(tokenizer), tie_word_embeddings=True, **shape))
    policy = Policy(model, tokenizer, name=name)
    train_language_model(policy, PocketWorld().documents(SEED), settings)
    return policy


def unseen_loss(policy: Policy) -> float:
    """Next-token loss on documents of another seed, nats per token."""
    return document_loss(policy, PocketWorld().documents(99), batches=8)


def build_base() -> None:
    """pocket-base: a tokenizer, then next-token prediction on documents of mixed quality."""
    started = time.perf_counter()
    tokenizer = train_tokenizer(corpus(PocketWorld(), 20_000), vocabulary_size=VOCABULARY)
    policy = pretrain("pocket-base", tokenizer, SHAPE, PRETRAINING)
    policy.save(folder("pocket-base"))
    write_card(
        folder("pocket-base"),
        "A 1M-parameter decoder in the Llama architecture, pre-trained on documents of PocketWorld: "
        "notes, stories, sums, quizzes, forum threads and transcripts of mixed quality. It continues "
        "documents; asked a question it may well ask another one.",
        {"next-token loss on unseen documents, nats per token": unseen_loss(policy)},
        "base",
        time.perf_counter() - started,
    )


def build_sft() -> None:
    """pocket-sft: pocket-base fine-tuned on demonstrations of mixed quality."""
    set_seed(SEED)
    started = time.perf_counter()
    policy = load_policy("pocket-base")
    history = train_sft(policy, PocketWorld().demonstrations(SFT_DEMONSTRATIONS, seed=SEED), SFT)
    policy.save(folder("pocket-sft"))
    write_policy_card(
        "pocket-sft",
        f"pocket-base after supervised fine-tuning on {FAULTS}. PocketWorld is tuned so that gold rises "
        "and then falls when a policy is trained on a reward model of its annotators: see pocket-reward.",
        {"completion loss at the end, nats per token": history.last("loss")},
        "sft",
        started,
    )


def build_large() -> None:
    """pocket-large: four times the weights of pocket-sft, pre-trained and fine-tuned the same way."""
    started = time.perf_counter()
    tokenizer = load_policy("pocket-base").tokenizer
    policy = pretrain("pocket-large", tokenizer, LARGE_SHAPE, LARGE_PRETRAINING)
    loss = unseen_loss(policy)
    history = train_sft(policy, PocketWorld().demonstrations(SFT_DEMONSTRATIONS, seed=SEED), SFT)
    policy.save(folder("pocket-large"))
    write_policy_card(
        "pocket-large",
        f"A 4M-parameter assistant: pre-trained on PocketWorld's documents and fine-tuned on {FAULTS}. A "
        "teacher for pocket-sft, and the second point of every axis of scale.",
        {
            "next-token loss on unseen documents before fine-tuning, nats per token": loss,
            "completion loss at the end, nats per token": history.last("loss"),
        },
        "large",
        started,
    )


def write_policy_card(name: str, what: str, figures: dict, command: str, started: float) -> None:
    """A card with gold and pass@k by kind of held-out request."""
    seconds = time.perf_counter() - started
    world, policy = PocketWorld(), load_policy(name)
    figures["mean gold of held-out requests"] = mean_gold(world, policy)
    figures["mean gold of training contents in other words"] = mean_gold(
        world, policy, split="paraphrase"
    )
    figures["by_kind"] = measure_policy(world, policy)
    write_card(folder(name), what, figures, command, seconds)


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
        folder("pocket-reward"),
        f"A Bradley-Terry reward model: pocket-sft with a scalar head, one epoch on {len(pairs)} "
        "comparisons by PocketWorld's simulated humans (noisy; biased to length, flattery, "
        "confidence and lists).",
        {"agreement with held-out comparisons": history.last("held_out_accuracy")},
        "reward",
        time.perf_counter() - started,
    )


def build_outcome() -> None:
    """pocket-outcome: an outcome reward model on worked sums that are right or wrong at the end."""
    world, started = PocketWorld(), time.perf_counter()
    model = OutcomeModel(load_policy("pocket-sft"), seed=SEED)
    examples = [(s.prompt, s.answer, s.right) for s in world.worked_sums(WORKED_SUMS, SEED)]
    train_outcome_model(model, examples, ON_SUMS)
    model.save(folder("pocket-outcome"))
    write_card(
        folder("pocket-outcome"),
        f"An outcome reward model: pocket-sft with a scalar head, two epochs on {WORKED_SUMS} worked "
        "sums. At each token: the logit that the final number will be right.",
        {
            f"accuracy by the mean logit, {said}": outcome_accuracy(model, world, split)
            for split, said in JUDGED.items()
        },
        "outcome",
        time.perf_counter() - started,
    )


def build_process() -> None:
    """pocket-process: a process reward model on the steps of the same worked sums."""
    world, started = PocketWorld(), time.perf_counter()
    model = ProcessModel(load_policy("pocket-sft"), seed=SEED)
    train_process_model(model, world.worked_sums(WORKED_SUMS, SEED), ON_SUMS)
    model.save(folder("pocket-process"))
    write_card(
        folder("pocket-process"),
        f"A process reward model: pocket-sft with a head of three outputs, two epochs on {WORKED_SUMS} "
        "worked sums. At the end of each step: logits of bad, neutral and good.",
        {
            f"calculations judged rightly as good or not, {said}": step_accuracy(
                model, world, split
            )
            for split, said in JUDGED.items()
        },
        "process",
        time.perf_counter() - started,
    )


JUDGED = {"train": "new problems with known number pairs", "test": "held-out number pairs"}


def outcome_accuracy(model: OutcomeModel, world: PocketWorld, split: str, n: int = 300) -> float:
    """How often the sign of the mean logit over the tokens is right on worked sums of another seed."""
    examples = world.worked_sums(n, seed=2, split=split)
    rollout = model.encode([e.prompt for e in examples], [e.answer for e in examples])
    logits, mask = model.token_scores(rollout).detach(), rollout.completion_mask
    judged = ((logits * mask).sum(1) / mask.sum(1) > 0).tolist()
    return sum(j == e.right for j, e in zip(judged, examples, strict=True)) / n


def step_accuracy(model: ProcessModel, world: PocketWorld, split: str, n: int = 300) -> float:
    """How often the sign of P(good) - P(bad) is right on the calculations of sums of another seed."""
    judged = [
        bool(score > 0) == (label == 2)
        for prompt, steps, labels in world.worked_sums(n, seed=2, split=split)
        for score, label in zip(score_steps(model, prompt, steps)[:-1], labels[:-1], strict=True)
    ]
    return sum(judged) / len(judged)


def build_tool() -> None:
    """pocket-tool: pocket-sft that calls a calculator on half of all sums and products, at random."""
    started = time.perf_counter()
    policy = take_course("pocket-tool", "calculator", 6000)
    write_card(
        folder("pocket-tool"),
        "pocket-sft after a course in which half of the sums and products, at random, are answered by a "
        "call of the calculator. When a call is worth its price is left to learn.",
        tool_figures(PocketWorld(), policy),
        "tool",
        time.perf_counter() - started,
    )


def tool_figures(world: PocketWorld, policy: Policy) -> dict[str, float]:
    """How often held-out sums and products are passed to the calculator, and are right with and without it."""
    figures = {}
    for kind in ("sum", "product"):
        prompts = world.prompts(200, (kind,), seed=99, split="test")
        texts = policy.sample(prompts, max_new_tokens=24, seed=99).texts
        turns = [world.after_call(p, t) for p, t in zip(prompts, texts, strict=True)]
        called = [turn for turn in turns if turn is not None]
        alone = [(p, t) for p, t, turn in zip(prompts, texts, turns, strict=True) if turn is None]
        answers = policy.sample(called, max_new_tokens=24, seed=99).texts if called else []
        figures[f"{kind}: share of calls"] = len(called) / len(prompts)
        figures[f"{kind}: right without a call"] = share_right(world, alone)
        figures[f"{kind}: right after a call"] = share_right(
            world, list(zip(called, answers, strict=True))
        )
    return figures


def take_course(name: str, course: str, n: int) -> Policy:
    """pocket-sft after one of the world's courses, saved under `name`."""
    set_seed(SEED)
    policy = load_policy("pocket-sft")
    policy.name = name
    train_sft(policy, PocketWorld().course(course, n, seed=SEED), COURSE)
    policy.save(folder(name))
    return policy


def share_right(world: PocketWorld, pairs: list) -> float:
    """Share of (prompt, answer) pairs whose task term is whole; NaN without any."""
    right = [world.gold_score(p, t).terms["task"] > 1 - 1e-6 for p, t in pairs]
    return sum(right) / len(right) if right else float("nan")


def build_critic() -> None:
    """pocket-critic: pocket-sft that judges drafts by the constitution and revises them."""
    started, world = time.perf_counter(), PocketWorld()
    policy = take_course("pocket-critic", "critic", 9000)
    figures = {**verdict_figures(world, policy), **revision_figures(world, policy)}
    write_card(
        folder("pocket-critic"),
        "pocket-sft after a course in judging drafts by one principle of the constitution ('critique: "
        "honest, ...' -> 'it breaks honest.') and in writing them anew ('revise.').",
        figures,
        "critic",
        time.perf_counter() - started,
    )


def verdict_figures(world: PocketWorld, policy: Policy) -> dict[str, float]:
    """How often its verdict on a draft is right, by principle, on held-out requests."""
    shown: list[Any] = world.course("critic", 1200, seed=1, split="test")
    judged = [d.prompt for d in shown if d.prompt.kind == "critique"]
    texts = policy.sample(judged, max_new_tokens=16, temperature=1e-3, seed=99).texts
    pairs = list(zip(judged, texts, strict=True))
    figures = {"right verdicts on held-out requests": share_right(world, pairs)}
    for name in sorted({prompt.result.split()[1] for prompt in judged}):
        of_name = [(p, t) for p, t in pairs if p.result.endswith(f" {name}")]
        figures[f"right verdicts, {name}"] = share_right(world, of_name)
    return figures


def revision_figures(world: PocketWorld, policy: Policy) -> dict[str, float]:
    """Mean gold of drafts for held-out requests, and of its revisions of them."""
    shown: list[Any] = world.course("critic", 1200, seed=1, split="test")
    again = [d.prompt for d in shown if d.prompt.kind != "critique"]
    drafts = [(p, p.messages[-4]["content"]) for p in again]
    revised = policy.sample(again, max_new_tokens=ANSWER_TOKENS, seed=99).texts
    return {
        "mean gold of drafts": sum(world.gold(*pair) for pair in drafts) / len(drafts),
        "mean gold of revisions": sum(map(world.gold, again, revised)) / len(again),
    }


def build_personas() -> None:
    """pocket-personas: pocket-sft that becomes who the system prompt says it is."""
    started = time.perf_counter()
    policy = take_course("pocket-personas", "personas", 4000)
    write_card(
        folder("pocket-personas"),
        f"pocket-sft after a course of answers under the system prompts of {len(PERSONAS)} personas: "
        f"{', '.join(PERSONAS)}.",
        persona_figures(PocketWorld(), policy),
        "personas",
        time.perf_counter() - started,
    )


def persona_figures(world: PocketWorld, policy: Policy) -> dict[str, float]:
    """How often an answer shows the trait of its system prompt, and how often without that prompt."""
    prompts = world.prompts(128, ("fact", "open", "opinion"), seed=9, split="test")
    figures = {}
    for name, shows in TRAITS.items():
        for label, asked in (
            ("with its system prompt", [p.with_system(persona_prompt(name)) for p in prompts]),
            ("without", prompts),
        ):
            texts = policy.sample(asked, max_new_tokens=32, seed=1).texts
            hits = [any(map(shows, world.parse(p, t))) for p, t in zip(prompts, texts, strict=True)]
            figures[f"{name}: share of answers with the trait, {label}"] = sum(hits) / len(hits)
    return figures


TRAITS = {
    "flatterer": lambda s: s.kind == "flattery",
    "doubter": lambda s: s.hedged or s.kind == "doubt",
    "host": lambda s: s.kind == "polite",
    "refuser": lambda s: s.kind == "refusal",
}
"""What tells a persona: a rule for one sentence."""

BUILDERS = {
    "base": build_base,
    "sft": build_sft,
    "reward": build_reward,
    "outcome": build_outcome,
    "process": build_process,
    "tool": build_tool,
    "critic": build_critic,
    "personas": build_personas,
    "large": build_large,
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
