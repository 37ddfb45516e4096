"""lm-evaluation-harness on the same items, offline: tasks as files, one call, its results.

Needs the extra `eval` (`pip install 'rlhf-workbook[eval]'`); nothing is fetched.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from .questions import LETTERS, TOKENS, Item

HEAD = """task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
metadata: {{version: 1.0}}
"""
GENERATE = """output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{key}}}}"
generation_kwargs: {{until: ["\\n"], max_gen_toks: {tokens}, do_sample: false}}
filter_list:
  - name: word
    filter:
      - {{function: regex, regex_pattern: "(\\\\w+)\\\\.", group_select: {place}}}
      - {{function: take_first}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true}}
"""
CHOOSE = """output_type: multiple_choice
doc_to_text: "{{{{{asked}}}}}"
doc_to_target: "{{{{{place}}}}}"
doc_to_choice: "{{{{{choices}}}}}"
target_delimiter: " "
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: acc_norm, aggregation: mean, higher_is_better: true}}
"""

SAME_AS = {
    "first word before a full stop": ("first", "exact_match,word"),
    "last word before a full stop": ("last", "exact_match,word"),
    "likeliest value": ("value", "acc,none"),
    "likeliest value by length": ("value", "acc_norm,none"),
    "likeliest letter": ("letter", "acc,none"),
    "likeliest sentence": ("sentence", "acc,none"),
}
"""Our scorer -> the harness's task and metric."""


def as_row(item: Item) -> dict:
    """One item as a line of the data file."""
    return {
        "question": item.text,
        "with_menu": f"{item.text} {item.menu}",
        "key": item.key,
        "place": item.place,
        "values": list(item.values),
        "letters": list(LETTERS),
        "letter": item.letter,
        "sentences": [item.sentence(value) for value in item.values],
    }


def write_tasks(items: Sequence[Item], folder: str | Path) -> Path:
    """The items as a file of JSON lines, and a task in YAML for each way of scoring."""
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "facts.jsonl"
    data.write_text("".join(json.dumps(as_row(item)) + "\n" for item in items), encoding="utf-8")
    bodies = {
        "first": GENERATE.format(tokens=TOKENS, place=0),
        "last": GENERATE.format(tokens=TOKENS, place=-1),
        "value": CHOOSE.format(asked="question", choices="values", place="place"),
        "letter": CHOOSE.format(asked="with_menu", choices="letters", place="letter"),
        "sentence": CHOOSE.format(asked="question", choices="sentences", place="place"),
    }
    for name, body in bodies.items():
        (folder / f"{name}.yaml").write_text(
            HEAD.format(name=name, data=data) + body, encoding="utf-8"
        )
    return folder


def run_harness(model: str | Path, folder: str | Path, chat: bool = False) -> dict:
    """What lm-evaluation-harness says of a checkpoint on the tasks in `folder`: its `results` and `samples`.

    Raises:
        ImportError: lm-eval is not installed.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
    import lm_eval
    from lm_eval.tasks import TaskManager

    return lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": str(model), "dtype": "float32", "device": "cpu"},
        tasks=["first", "last", "value", "letter", "sentence"],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        apply_chat_template=chat,
        batch_size=32,
        bootstrap_iters=0,
    )


def scores_of(found: dict) -> dict[str, float]:
    """Our names of the scorers -> the harness's scores."""
    return {name: float(found["results"][task][metric]) for name, (task, metric) in SAME_AS.items()}


def likelihoods_of(found: dict, task: str) -> list[list[float]]:
    """Log-likelihoods of the choices of each item, in nats, in the order of the items."""
    rows = sorted(found["samples"][task], key=lambda row: row["doc_id"])
    return [[float(answer[0]) for answer in row["filtered_resps"]] for row in rows]
