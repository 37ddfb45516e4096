"""What the documents say is there: links, commands, the map of chapters; and what data/ holds."""

import importlib.util
import re
from pathlib import Path

import pytest

from tests.chapters import CHAPTERS, ROOT, build, code_cells, markdown, names, stored

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "data").rglob("*.md")),
    *(CHAPTERS / f"{name}.ipynb" for name in names()),
    CHAPTERS / "equations.ipynb",
]
TEXT = {".py", ".md", ".toml", ".yml", ".yaml", ".json", ".jsonl", ".ipynb", ".lock", ""}
BUILT = {".git", ".venv", ".venv-bench", "build", "__pycache__", ".hypothesis", ".pytest_cache"}
MACHINE = re.compile(r"(?:/home|/root|/work|/Users)/\w+")
PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib", ".npy", ".npz"}


def text_of(path: Path) -> str:
    """The markdown of a document or a chapter."""
    assert path.exists(), f"{path.relative_to(ROOT)} is missing"
    return markdown(stored(path.stem)) if path.suffix == ".ipynb" else path.read_text("utf-8")


every_document = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


@every_document
def test_local_links_lead_somewhere_and_pictures_are_local(path):
    text = text_of(path)
    text = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    for mark, target in re.findall(r"(!?)\[[^\]]*\]\(([^)\s]+)[^)]*\)", text):
        remote = target.startswith(("http:", "https:", "mailto:", "#"))
        assert not (mark and remote), f"a picture from the network: {target}"
        assert remote or (path.parent / target.split("#")[0]).exists(), target
    assert not re.search(r"<img[^>]+src=[\"']http", text)


@every_document
def test_quoted_commands_exist(path):
    text = text_of(path)
    quoted = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, flags=re.DOTALL))
    targets = re.findall(
        r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    for words in re.findall(r"\bmake ((?:[A-Z]+=\S+ )*[a-z][a-z0-9-]*)", quoted):
        assert words.split()[-1] in targets, words
    for module in re.findall(r"python3? -m ((?:rlhf_lib|tests)[\w.]*)", quoted):
        assert importlib.util.find_spec(module), module
    for script in re.findall(r"python3? ([\w/]+\.py)", quoted):
        assert (ROOT / script).exists(), script


def test_modules_that_the_makefile_runs_exist():
    for module in re.findall(
        r"-m ((?:rlhf_lib|tests)[\w.]*)", (ROOT / "Makefile").read_text(encoding="utf-8")
    ):
        assert importlib.util.find_spec(module), module


def test_every_command_of_the_makefile_is_in_its_help():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", text, flags=re.MULTILINE).group(1).split())
    assert phony == set(re.findall(r"^([a-z0-9-]+):.*## ", text, flags=re.MULTILINE))


def test_python_in_the_readme_runs(capsys):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    example = next(
        b for b in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "import" in b
    )
    exec(compile(example, "README.md", "exec"), {})
    assert "proxy" in capsys.readouterr().out


def test_readme_has_the_map_of_the_chapters():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(mark in readme for mark in build.MAP), f"put these two lines around it: {build.MAP}"
    assert build.with_map(readme) == readme, "python chapters/source/build.py --headers"


def test_measured_seconds_are_there_and_within_the_limit():
    for name, table in build.chapters().items():
        assert 0 < table["seconds"] <= 180, f"{name}: make book RECORD=1"


def test_data_is_small_and_holds_no_pickle():
    files = [path for path in (ROOT / "data").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 60e6
    for path in files:
        assert path.suffix not in PICKLES, path
        assert not path.read_bytes()[:2].startswith(
            (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"PK")
        ), path


def test_every_shipped_model_has_a_card_with_seed_and_command():
    for weights in (ROOT / "data").rglob("*.safetensors"):
        card = weights.parent / "README.md"
        assert card.exists(), weights
        text = card.read_text(encoding="utf-8")
        assert "seed" in text.lower() and re.search(
            r"`[^`]*(make models|build_models)[^`]*`", text
        ), card


def product_files() -> list[Path]:
    """Text files of the project, without what is built or installed."""
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and path.suffix in TEXT
        and not set(path.relative_to(ROOT).parts) & BUILT
        and ".egg-info" not in str(path)
        and path.stat().st_size < 5e6
    ]


def test_no_file_names_a_folder_of_some_machine():
    here = {"test_documents.py", "test_stored.py"}
    for path in product_files():
        if path.name not in here and path.relative_to(ROOT).parts[0] != ".ruff_cache":
            found = MACHINE.search(path.read_text(encoding="utf-8", errors="ignore"))
            assert not found, f"{path.relative_to(ROOT)}: {found.group()}"


def test_code_cells_of_chapters_use_public_names_only():
    for name in names():
        if not (CHAPTERS / f"{name}.ipynb").exists():
            continue
        for cell in code_cells(stored(name)):
            private = re.findall(
                r"(?:from|import) rlhf_lib[\w.]*\._\w+|rlhf_lib\S* import _\w+", cell.source
            )
            assert not private, (name, private)
