"""The labs of chapter 07 that are tried in the browser."""

from tests.browser.case import Case

ANNOTATOR = """from rlhf_lib.labs import annotator_lab, prepare
from rlhf_lib.lm import load_policy
from rlhf_lib.runtime import data_path
from rlhf_lib.training import read_preferences
from rlhf_lib.world import PocketWorld
pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))[:480]
annotator_lab(prepare(load_policy("pocket-sft"), PocketWorld(), pairs))"""

CASES = [
    Case("annotator", ANNOTATOR, "flattery bias"),
]
