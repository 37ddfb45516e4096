"""Forward passes on a pretended GPU: a tensor that some function makes on the CPU fails here."""

import subprocess
import sys

from tests.chapters import ROOT

SCRIPT = """
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from rlhf_lib import objectives as o

# Fake tensors have no values. Where the library asks for one (checks, metrics), say yes, or zeros.
FakeTensor.__bool__ = lambda self: True
FakeTensor.tolist = lambda self: [0.0] * self.numel()


# These two ask the CPU build of torch for a CUDA guard, so they go by other operators.
def contiguous(x, memory_format=torch.contiguous_format):
    return x.clone(memory_format=memory_format)


def indexed(x, index):
    dimension = 0
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, torch.Tensor):
            x, dimension = x.index_select(dimension, part), dimension + 1
        elif isinstance(part, int):
            x = x.select(dimension, part)
        elif part is None:
            x, dimension = x.unsqueeze(dimension), dimension + 1
        elif part is Ellipsis:
            dimension = x.ndim
        else:
            x = torch.ops.aten.slice(x, dimension, part.start, part.stop)
            dimension += 1
    return x


FakeTensor.__getitem__, FakeTensor.contiguous = indexed, contiguous

with torch.no_grad(), FakeTensorMode():
    x = torch.randn(4, 6, device="cuda", dtype=DTYPE)
    logits = x[..., None].expand(4, 6, 3)
    row, labels = x[:, 0], torch.zeros(4, 6, device="cuda", dtype=torch.long)
    results = [
        o.bradley_terry_probability(row, row),
        o.bradley_terry_loss(row, row, margin=row),
        o.plackett_luce_loss(x),
        o.balanced_comparison_loss(x),
        o.outcome_loss(x, row, x, "token"),
        o.outcome_loss(x, row, x, "sequence"),
        o.process_loss(x[..., None].expand(4, 6, 3), labels),
        o.exact_kl(x, x),
        o.entropy(x),
        o.cross_entropy(x, x),
        o.perplexity(x, x),
        *(o.kl_estimate(x, x, kind) for kind in ("k1", "k2", "k3")),
        o.rloo_advantages(x),
        *(o.group_advantages(x, scale) for scale in ("group", "batch", "none")),
        o.reward_to_go(x, x, 0.9),
        *o.gae(x, x, x),
        o.whiten(x, x),
        o.importance_weights(x, x),
        o.value_loss(x, x, x, x),
        o.value_loss(x, x, x, x, clip=0.2),
        o.implicit_reward(row, row, 0.1),
        o.dpo_loss(row, row, row, row, 0.1, label_smoothing=0.1),
        o.ipo_loss(row, row, row, row, 0.1),
        o.simpo_loss(row, row, 2.0, 0.5),
        o.orpo_loss(row, row, row, 0.1),
        *(o.kto_loss(row, row, row > 0, kl, 0.1) for kl in (0.1, row)),
        o.rebel_loss(row, row, row, row, row, 0.1),
        o.apo_zero_loss(row, row, row, row, 0.1),
        o.apo_down_loss(row, row, row, row, 0.1),
        o.word_kd_loss(logits, logits, x, 2.0),
        o.sequence_kd_loss(x, x),
        o.reverse_kl_loss(logits, logits, x),
        *(o.jsd_loss(logits, logits, x, beta) for beta in (0.0, 0.5, 1.0)),
    ]
    for aggregate in ("sequence", "token", "fixed"):
        results.append(o.masked_aggregate(x, x, aggregate))
        for algorithm in ("reinforce", "ppo", "gspo", "cispo"):
            for advantages in (row, x):
                loss, metrics = o.policy_loss(
                    x, x, advantages, x, algorithm, aggregate, sampler_logp=x, entropy=x
                )
                results.append(loss)
                assert set(metrics) >= {"clip_fraction", "ratio_max", "approx_kl", "entropy"}
    assert all(result.device.type == "cuda" for result in results), results
    print("all on the device:", len(results))
"""


def run(dtype: str) -> subprocess.CompletedProcess:
    """In a process of its own: autograd on fake CUDA tensors can abort the interpreter."""
    script = SCRIPT.replace("DTYPE", dtype)
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, encoding="utf-8"
    )


def test_no_function_leaves_the_device():
    result = run("torch.float32")
    assert result.returncode == 0, result.stderr[-3000:]
    assert "all on the device" in result.stdout


def test_no_function_leaves_the_device_in_half_precision():
    result = run("torch.bfloat16")
    assert result.returncode == 0, result.stderr[-3000:]
