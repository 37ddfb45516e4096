"""Language models: a readable decoder, tokenizer and chat template, sampling, loading."""

from .adapters import LoRA, add_lora
from .chat import ChatFormat, as_messages
from .decoder import Cache, Decoder, DecoderConfig
from .loading import load_policy
from .modes import evaluating, without_dropout
from .policy import Policy
from .rollout import Rollout, last_token
from .sampling import Samples, draw_tokens, sample, truncate
from .scoring import EncodedAnswer, answer_logp, encode_answers, score_answers
from .tokenizer import load_tokenizer, train_tokenizer
from .transformers_model import TransformersModel
from .turns import Reply, own_turns

__all__ = [
    "Cache",
    "ChatFormat",
    "Decoder",
    "DecoderConfig",
    "EncodedAnswer",
    "LoRA",
    "Policy",
    "Reply",
    "Rollout",
    "Samples",
    "TransformersModel",
    "add_lora",
    "answer_logp",
    "as_messages",
    "draw_tokens",
    "encode_answers",
    "evaluating",
    "last_token",
    "own_turns",
    "load_policy",
    "load_tokenizer",
    "sample",
    "score_answers",
    "train_tokenizer",
    "truncate",
    "without_dropout",
]
