"""Language models: a readable decoder, tokenizer and chat template, sampling, loading."""

from .decoder import Cache, Decoder, DecoderConfig
from .loading import TransformersModel, load_policy
from .policy import Policy, as_messages
from .rollout import Rollout
from .sampling import Samples, draw, sample, truncate
from .tokenizer import load_tokenizer, train_tokenizer

__all__ = [
    "Cache",
    "Decoder",
    "DecoderConfig",
    "Policy",
    "Rollout",
    "Samples",
    "TransformersModel",
    "as_messages",
    "draw",
    "load_policy",
    "load_tokenizer",
    "sample",
    "train_tokenizer",
    "truncate",
]
