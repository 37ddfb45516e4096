"""Language models: a readable decoder, tokenizer and chat template, sampling, loading."""

from .decoder import Cache, Decoder, DecoderConfig
from .loading import TransformersModel, load_policy
from .modes import evaluating, without_dropout
from .policy import Policy, as_messages
from .rollout import Rollout, last_token
from .sampling import Samples, draw, sample, truncate
from .scoring import EncodedAnswer, answer_logp, encode_answers, score_answers
from .tokenizer import load_tokenizer, train_tokenizer

__all__ = [
    "Cache",
    "Decoder",
    "DecoderConfig",
    "EncodedAnswer",
    "Policy",
    "Rollout",
    "Samples",
    "TransformersModel",
    "answer_logp",
    "as_messages",
    "draw",
    "encode_answers",
    "evaluating",
    "last_token",
    "load_policy",
    "load_tokenizer",
    "sample",
    "score_answers",
    "train_tokenizer",
    "truncate",
    "without_dropout",
]
