"""The script for GPU machines, on the machines at hand: its code runs, and its limits hold."""

import dataclasses

import pytest

from rlhf_lib.lm import load_policy
from tests import gpu_check

from .pretend import pretended

SMALL = gpu_check.Size(prompts=2, samples=2, tokens=6, rows=1)


def names(rows) -> set[str]:
    return {row.name.split(" (")[0] for row in rows}


def test_every_row_on_the_pretended_accelerator(world):
    with pretended():
        rows = list(gpu_check.check(load_policy("pocket-sft"), world, SMALL))
    assert all(row.kept for row in rows), [str(row) for row in rows if not row.kept]
    assert {"sampling", "one step: grpo", "one step: dpo", "one step: SFT"} <= names(rows)


def test_limits_in_bfloat16(world, monkeypatch):
    """What 16 bits of compute may cost, measured on the CPU: far inside the limits."""
    monkeypatch.setenv("RLHF_DTYPE", "bfloat16")
    policy = load_policy("pocket-sft", device="cpu")
    for measure in (
        gpu_check.sampler_and_scorer,
        gpu_check.distance_to_float32,
        gpu_check.first_ratio,
    ):
        for row in measure(policy, world, SMALL):
            assert row.kept, str(row)
    assert all(row.kept for row in gpu_check.small_steps(policy, world))


def test_a_number_beyond_its_limit_is_told():
    row = gpu_check.Row("ratio", 1.5, "", 1.0)
    assert not row.kept and str(row).endswith("NOT KEPT")
    assert dataclasses.replace(row, least=True).kept
    assert not dataclasses.replace(row, value=float("nan")).kept


def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert gpu_check.main([]) == 0 and "sees no CUDA device" in capsys.readouterr().out


@pytest.mark.skipif(gpu_check.why_not() is not None, reason="no CUDA device")
def test_on_this_gpu():
    assert gpu_check.main([]) == 0
