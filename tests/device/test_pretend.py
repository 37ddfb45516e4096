"""The pretended accelerator refuses what a real one refuses, and computes what the CPU computes."""

import copy
import threading

import numpy as np
import pytest
import torch

from .pretend import DEVICE, pretended


@pytest.fixture
def seen():
    with pretended() as found:
        yield found


@pytest.fixture
def x(seen):
    return torch.arange(6.0, device=DEVICE).view(2, 3)


TWO_DEVICES = {
    "sum": lambda x: x + torch.ones(3),
    "number there, tensor here": lambda x: torch.ones(3) + x.sum(),
    "stack": lambda x: torch.stack([x.sum(), torch.tensor(1.0)]),
    "where": lambda x: torch.where(torch.ones(3) > 0, x[0], x[1]),
    "gather": lambda x: x.gather(1, torch.zeros(2, 1, dtype=torch.long)),
    "index of a CPU tensor": lambda x: torch.ones(3)[torch.zeros(1, dtype=torch.long, device=DEVICE)],
    "in place": lambda x: x[0].mul_(torch.ones(3)),
}  # fmt: skip


@pytest.mark.parametrize("mixed", TWO_DEVICES.values(), ids=TWO_DEVICES)
def test_two_devices_in_one_operation_are_refused(x, mixed):
    with pytest.raises(RuntimeError, match="same device"):
        mixed(x)


@pytest.mark.parametrize(
    "reading", [lambda x: x.numpy(), np.asarray, lambda x: np.array([x.sum()])]
)
def test_numpy_is_refused(x, reading):
    with pytest.raises(TypeError, match="Use Tensor.cpu"):
        reading(x)


def test_a_figure_is_refused(x):
    import matplotlib.pyplot as plt

    with pytest.raises(TypeError, match="Use Tensor.cpu"):
        plt.plot(x[0])
    plt.close("all")


def test_a_generator_belongs_to_its_device(seen):
    there = torch.rand(3, generator=torch.Generator(DEVICE).manual_seed(1), device=DEVICE)
    assert there.tolist() == torch.rand(3, generator=torch.Generator().manual_seed(1)).tolist()
    with pytest.raises(RuntimeError, match="generator"):
        torch.rand(3, generator=torch.Generator(), device=DEVICE)
    with pytest.raises(RuntimeError, match="generator"):
        torch.rand(3, generator=torch.Generator(DEVICE))


def test_what_an_accelerator_allows(x):
    assert (x + torch.tensor(1.0)).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert x[torch.tensor([1])].tolist() == x[[1]].tolist() == [[3, 4, 5]]
    assert x[x > 3].tolist() == [4, 5] and f"{x.sum():.1f}" == "15.0"
    assert torch.tensor([x.sum(), x.max()]).device.type == "cpu"
    x[0, torch.tensor([0, 1])] = torch.tensor(9.0)
    x[1] = torch.ones(3)
    assert x.cpu().tolist() == [[9, 9, 2], [1, 1, 1]]


def test_copies_and_waits_are_counted(seen):
    x = torch.ones(3).to(DEVICE)
    assert (seen.copies, seen.waits) == (1, 0)
    assert x.sum().item() == 3 and len(x[x > 0]) == 3
    assert seen.waits == 2
    x.to(DEVICE).cpu()
    assert seen.copies == 2


def step(device) -> list:
    """Two AdamW steps of a small net, with a copy of it; its weights."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.SiLU(), torch.nn.Linear(4, 2)).to(
        device
    )
    net, optimizer = copy.deepcopy(net), None
    optimizer = torch.optim.AdamW(net.parameters(), 0.1)
    for _ in range(2):
        loss = net(torch.ones(5, 3, device=device)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    assert all(p.grad.device.type == torch.device(device).type for p in net.parameters())
    return [p.tolist() for p in net.parameters()]


def test_training_gives_the_numbers_of_the_cpu(seen):
    for there, here in zip(step(DEVICE), step("cpu"), strict=True):
        assert np.allclose(there, here, atol=1e-6)


def test_inference_mode_makes_views_of_what_was_there(x):
    with torch.inference_mode():
        view, new = x[:, :2], x + 1
    assert not view.is_inference() and new.is_inference()
    assert view.clone().requires_grad_().sum().requires_grad


def test_threads_begun_inside_are_inside(seen):
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.tensor([1.0], device=DEVICE)))
    thread.start()
    thread.join()
    assert found[0].device == DEVICE


def test_nothing_is_left_behind():
    with pretended():
        pass
    assert torch.Generator().device.type == "cpu" and torch.tensor(1).device.type == "cpu"
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.zeros(2, device=DEVICE)
