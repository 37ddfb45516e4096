"""A pretended accelerator: tensors that say they live on another device, and hold their values on the CPU.

Everything runs, autograd included, and what a real accelerator refuses is refused here with the same kind of
error: tensors of two devices in one operation (a CPU tensor without dimensions may join in), a generator of
the wrong device, `.numpy()`, and with it NumPy, matplotlib and plotly on tensors that were not brought back.
So a machine without an accelerator finds the missing `.cpu()`. Random numbers and rounding are the CPU's.

    with pretended() as seen:        # get_device() is now the pretended device
        policy = load_policy("pocket-sft")
    print(seen.copies, seen.waits)   # tensors that crossed, and times that Python waited for a value

torch's device type "lazy" lends its name: no driver answers to it, and autograd takes it as it is.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device("lazy", 0)
CPU = torch.device("cpu")
TORCH_TENSOR = torch.tensor
aten = torch.ops.aten

CROSSING = {aten._to_copy.default, aten.copy_.default}
"""Operations that bring a tensor from one device to another."""
INDEXING = {
    aten.index.Tensor, aten.index_put_.default, aten.index_put.default,
    aten._index_put_impl_.default, aten._unsafe_index.Tensor,
}  # fmt: skip
"""On an accelerator, a tensor may be indexed by one on the CPU (never the other way round)."""
WAITING = {aten._local_scalar_dense.default, aten.nonzero.default, aten.equal.default}
"""Operations for which Python waits until the device is done: a value, or a shape that hangs on values
(and so does indexing with a mask)."""


@dataclass
class Seen:
    """How often tensors crossed between the devices, and Python waited for a value."""

    copies: int = 0
    waits: int = 0


class Pretended(torch.Tensor):
    """A tensor on the pretended device; `held` is the CPU tensor with its values."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> Pretended:
        with torch.inference_mode(held.is_inference()):  # a view of a tensor is of its kind
            tensor = torch.Tensor._make_wrapper_subclass(
                cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(),
                dtype=held.dtype, layout=held.layout, device=DEVICE,
            )  # fmt: skip
        tensor.held = held
        return tensor

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, operation, types, arguments=(), options=None):
        return run(operation, arguments, options or {}, Seen())

    def tolist(self):
        """The values as Python numbers, which an accelerator gives too."""
        return self.detach().cpu().tolist()

    def numpy(self, *, force: bool = False):
        """Refused, as by any accelerator: NumPy, matplotlib and plotly all ask here."""
        if force:
            return self.detach().cpu().numpy()
        raise TypeError(
            f"can't convert {DEVICE} device type tensor to numpy. Use Tensor.cpu() first"
        )

    def untyped_storage(self):
        """Where the values lie: safetensors looks for weights that share it."""
        return self.held.untyped_storage()

    def __format__(self, specification: str) -> str:
        return format(self.item(), specification) if self.ndim == 0 else repr(self)

    def __deepcopy__(self, memo):
        copied = self.detach().clone()
        if isinstance(self, torch.nn.Parameter):
            copied = torch.nn.Parameter(copied, self.requires_grad)
        return memo.setdefault(id(self), copied.requires_grad_(self.requires_grad))

    def __repr__(self, **settings) -> str:
        return f"{self.detach().cpu()!r} on {DEVICE}"


def run(operation, arguments, options: dict, seen: Seen):
    """Do `operation` on the values, if the accelerator would: the result is where it would be."""
    tensors: list[torch.Tensor] = []
    each(tensors.append, (arguments, tuple(options.values())))
    target = options.get("device")
    if operation in CROSSING:
        seen.copies += len({x.device for x in tensors} | {target} - {None}) > 1
    elif operation not in INDEXING or not isinstance(arguments[0], Pretended):
        refuse_two_devices(operation, tensors)
    masks = operation is aten.index.Tensor and any(x.dtype == torch.bool for x in tensors[1:])
    seen.waits += masks or operation in WAITING
    there = target.type == DEVICE.type if target else any(isinstance(x, Pretended) for x in tensors)
    refuse_generator(operation, options.get("generator"), there)
    if target is not None and there:
        options = {**options, "device": CPU}
    givers = {id(held_of(x)): x for x in tensors}  # an operation in place gives back what it got

    def placed(x):
        giver = givers.get(id(x))
        if giver is not None:
            return giver
        return Pretended(x) if there else x

    values = {name: each(held_of, x) for name, x in options.items()}
    return each(placed, operation(*each(held_of, arguments), **values))


def each(do, x):
    """`do` of a tensor, or of each tensor in lists within lists; anything else as it is."""
    if isinstance(x, torch.Tensor):
        return do(x)
    return type(x)([each(do, part) for part in x]) if isinstance(x, tuple | list) else x


def held_of(x: torch.Tensor) -> torch.Tensor:
    """The values of a tensor, wherever it is."""
    return x.held if isinstance(x, Pretended) else x


def refuse_two_devices(operation, tensors: list[torch.Tensor]) -> None:
    """As CUDA does; a CPU tensor without dimensions counts as a number."""
    there = [x for x in tensors if isinstance(x, Pretended)]
    strict = operation.overloadpacket in (aten.cat, aten.stack)
    here = [x for x in tensors if not isinstance(x, Pretended) and (x.ndim > 0 or strict)]
    if there and here:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {DEVICE} "
            f"and cpu! ({operation})"
        )


def refuse_generator(operation, generator, there: bool) -> None:
    """A generator belongs to the device whose numbers it draws."""
    if generator is None:
        return
    place = Generator.places.get(generator._cdata, CPU)
    if (place.type == DEVICE.type) != there:
        raise RuntimeError(
            f"Expected a {DEVICE if there else CPU} device type for generator but found {place} "
            f"({operation})"
        )


class Generator(torch.Generator):
    """`torch.Generator` that also knows the pretended device."""

    places: dict[int, torch.device] = {}
    """Device of each generator, by its address: operations get it in another wrapping."""

    def __new__(cls, device="cpu"):
        generator = super().__new__(cls, CPU)
        cls.places[generator._cdata] = torch.device(device)
        return generator

    @property
    def device(self) -> torch.device:
        """Where it draws."""
        return self.places[self._cdata]


def tensor_of(data, **options) -> torch.Tensor:
    """`torch.tensor`, which takes the values of tensors without dimensions from wherever they are."""
    inside = isinstance(data, tuple | list)
    return TORCH_TENSOR(
        each(lambda x: x if x.ndim else x.item(), data) if inside else data, **options
    )


class Accelerator(TorchDispatchMode):
    """Sees every operation of its thread, those that make a new tensor included."""

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self.seen = seen

    def __enter__(self):
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device=) passes through `run`
        return super().__enter__()

    def __exit__(self, *trouble):
        torch._C._set_only_lift_cpu_tensors(False)
        return super().__exit__(*trouble)

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        return run(operation, arguments, options or {}, self.seen)


@contextmanager
def pretended() -> Iterator[Seen]:
    """Inside, `get_device()` is the pretended device, in this thread and in those begun here."""
    seen, run_thread = Seen(), threading.Thread.run

    def run_inside(thread) -> None:
        with Accelerator(seen):
            run_thread(thread)

    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, RLHF_DEVICE=DEVICE.type))
        stack.enter_context(mock.patch.object(threading.Thread, "run", run_inside))
        stack.enter_context(mock.patch.object(torch, "Generator", Generator))
        stack.enter_context(mock.patch.object(torch, "tensor", tensor_of))
        stack.callback(
            torch.__future__.set_swap_module_params_on_conversion,
            torch.__future__.get_swap_module_params_on_conversion(),
        )
        torch.__future__.set_swap_module_params_on_conversion(True)  # .to() keeps tied weights tied
        stack.enter_context(Accelerator(seen))
        yield seen
