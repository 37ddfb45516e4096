"""Peak memory of a GRPO and of a DPO step, ours and TRL's: rows of `make bench`.

Each side runs in a process of its own, since an allocator gives little back. What is counted is the peak of
resident memory over what the process held before it loaded the model: weights, reference, optimizer,
activations. Two steps are taken: Adam's moments are there in the second one. GRPO: 4 prompts, 4 answers of
exactly 32 tokens each, KL to a reference; DPO: 8 pairs. Linux alone has these figures.
"""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from . import bench

WORKS = ("GRPO", "DPO")
STEPS = 2


def memory_row(work: str, model: Path) -> str:
    """One line of the table; without figures where this machine has none."""
    name = f"memory, {work} step, {'pocket' if model == bench.MODEL else model.name[:12]}"
    if not Path("/proc/self/clear_refs").exists():
        return f"{name}: not measured, this is no Linux"
    ours, theirs = (measure(side, work, model) for side in ("ours", "theirs"))
    ratio, sides = ours / theirs, [f"{side:.0f} MB" for side in (ours, theirs)]
    return bench.line(name, *sides, f"{ratio:.2f} x", "<= 1.0 x", ratio <= 1.0)


def measure(side: str, work: str, model: Path) -> float:
    """Megabytes that one side's steps need, in a fresh process."""
    command = [sys.executable, "-m", "tests.bench_memory", side, work, str(model)]
    out = subprocess.run(
        command, check=True, capture_output=True, text=True, encoding="utf-8"
    ).stdout
    return float(out.split()[-1])


# --- the process that is measured
def main(side: str, work: str, model: str) -> None:
    """Load what the step needs, take the steps, print the peak over the start in megabytes."""
    bench.quiet()
    import datasets  # noqa: F401
    import transformers.models.llama.modeling_llama  # noqa: F401

    if side == "theirs":
        import trl

        trl.GRPOTrainer, trl.DPOTrainer  # noqa: B018 (loaded when named)
    make = {("ours", "GRPO"): our_grpo, ("ours", "DPO"): our_dpo,
            ("theirs", "GRPO"): their_grpo, ("theirs", "DPO"): their_dpo}[side, work]  # fmt: skip
    start = resident("VmRSS")
    with tempfile.TemporaryDirectory() as folder:
        steps = make(Path(model), folder)
        forget_peak()
        steps()
    print(resident("VmHWM") - start)


def resident(field: str) -> float:
    """VmRSS (now) or VmHWM (peak) of this process, in megabytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def forget_peak() -> None:
    """Give back what is free, and count the peak from now on: loading a model has a peak of its own."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def prompts() -> list:
    """Four requests."""
    return bench.PocketWorld().prompts(4)


def pairs() -> list:
    """Eight comparisons."""
    stored = bench.read_preferences(bench.data_path("preferences", "pocket-train.jsonl"))
    return [pair for pair in stored if not pair.tie][:8]


def our_grpo(model: Path, folder: str) -> Callable[[], object]:
    """`OnlineTrainer` on four prompts, four answers of exactly 32 tokens each."""
    policy = bench.unending(bench.load_policy(str(model), device="cpu"))
    settings = bench.preset(
        "grpo", prompts_per_step=4, samples_per_prompt=4, minibatches=1, max_new_tokens=32,
        kl_coefficient=0.05, learning_rate=bench.RATE,
    )  # fmt: skip
    trainer = bench.OnlineTrainer(policy, prompts(), bench.text_reward, settings)
    return lambda: [trainer.step() for _ in range(STEPS)]


def their_grpo(model: Path, folder: str) -> Callable[[], object]:
    """The same for TRL's GRPOTrainer."""
    return bench.trl_grpo(folder, prompts(), 4, 32, False, model=model, steps=STEPS).train


def our_dpo(model: Path, folder: str) -> Callable[[], object]:
    """`DirectTrainer` on eight pairs."""
    policy = bench.load_policy(str(model), device="cpu")
    settings = bench.DirectSettings(loss="dpo", beta=0.1, learning_rate=bench.RATE)

    def steps():
        trainer = bench.DirectTrainer(policy, settings)
        data = trainer.prepare(pairs())
        return [trainer.step(data, range(8)) for _ in range(STEPS)]

    return steps


def their_dpo(model: Path, folder: str) -> Callable[[], object]:
    """The same for TRL's DPOTrainer."""
    return bench.trl_dpo(folder, pairs(), model=model, steps=STEPS).train


if __name__ == "__main__":
    main(*sys.argv[1:])
