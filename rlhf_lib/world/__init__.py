"""PocketWorld: what is said and what is good.

Facts, requests, ways of answering, the gold utility, simulated annotators, a constitution, tools.
"""

from .annotators import AI_BIAS, HUMAN_BIAS, Annotator, Bias
from .answers import STYLES
from .constitution import CONSTITUTION, SPECIFICATION, Principle
from .conversations import PERSONAS, persona_prompt
from .facts import ATTRIBUTES
from .gold import GoldScore, gold_score
from .parsing import Grammar, Sentence, split_sentences
from .pocket import PocketWorld, label_pairs
from .prompts import KINDS, Prompt, split_of
from .records import Demonstration, Preference, Stepwise, Unpaired
from .styles import CHAT_KINDS, DEMONSTRATION_STYLES

__all__ = [
    "AI_BIAS",
    "ATTRIBUTES",
    "Annotator",
    "Bias",
    "CHAT_KINDS",
    "CONSTITUTION",
    "DEMONSTRATION_STYLES",
    "Demonstration",
    "Grammar",
    "GoldScore",
    "HUMAN_BIAS",
    "KINDS",
    "PERSONAS",
    "PocketWorld",
    "Preference",
    "Principle",
    "Prompt",
    "SPECIFICATION",
    "STYLES",
    "Sentence",
    "Stepwise",
    "Unpaired",
    "gold_score",
    "label_pairs",
    "persona_prompt",
    "split_of",
    "split_sentences",
]
