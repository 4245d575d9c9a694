"""What the pages of the site show is run: commands, Python and recipes.

Every block of `sh`, `python` and `yaml` on the pages below is run, in the order of the page and in
a folder with the files that the page supposes. A line `<!-- not run: why -->` before a block
exempts it; few may.
"""

import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import pytest
import yaml
from reference.small_dates import SMALL, write_dates

import attention_zoo as az
from attention_zoo import testing

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
STAND_IN = Path(__file__).parent / "export" / "tf_serving_stand_in.py"
BLOCK = re.compile(
    r"(?:<!-- (?P<why>not run: .+?) -->\n)?"
    r"```(?P<language>\w+)(?: title=\"(?P<title>.+?)\")?\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
# Run in processes of their own by `tests/test_extending.py`, `tests/test_train_on_jax.py`,
# `tests/cli/test_training_processes.py`, `tests/cli/test_big_data.py` and `tests/beam/`.
ELSEWHERE = {"extend", "jax", "several-devices", "big-data", "many-texts"}
HOW_TO = sorted(path.stem for path in DOCS.glob("how-to/*.md") if path.stem not in ELSEWHERE)
PAGES = ["get-started", *(f"how-to/{name}" for name in HOW_TO)]
# Appended to commands: what shows that they are right need not take long.
SHORTER = {
    "get-started": {"train": SMALL},
    "how-to/own-data": {
        "train": f"{SMALL} --set train.batch_tokens=256 --set tokenizer.vocab_size=450 "
        "--set evaluate.beam_size=2"
    },
    "how-to/teach": {"train": "--set train.steps=2"},
    "how-to/fine-tune-bert": {"train": "--set train.steps=2 --set train.batch_tokens=256"},
}
NOT_RUN = {"get-started": 1, "how-to/playground": 1, "how-to/teach": 1}


def blocks(page):
    """The blocks of a page: language, title and code, and why it is not run."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    return [match.groupdict() for match in BLOCK.finditer(text)]


@pytest.fixture(scope="module")
def dates(tmp_path_factory):
    """A run of a small task that reads dates, untrained."""
    keras.utils.set_random_seed(1)
    pairs = az.read_examples(str(ROOT / "recipes/dates/data/valid.tsv"), ["zh", "en"])
    source = az.CharacterTokenizer.train(chinese for chinese, _ in pairs)
    target = az.CharacterTokenizer.train(english for _, english in pairs)
    model = az.Transformer.from_preset(
        "transformer_tiny",
        source_vocab_size=source.vocab_size,
        target_vocab_size=target.vocab_size,
        share_embeddings=False,
        max_length=40,
        width=32,
        num_heads=2,
        feed_forward_width=32,
        num_encoder_blocks=1,
        num_decoder_blocks=1,
    )
    task = az.Seq2Seq(model, source, target)
    task.metrics, task.examples = ("chrf",), pairs[:10]
    run = tmp_path_factory.mktemp("docs") / "dates"
    task.save(run / "task")
    return run


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """The Hugging Face folder of a small BERT; `tests/test_readme.py` imports the real MiniLM."""
    keras.utils.set_random_seed(2)
    letters = "abcdefghijklmnopqrstuvwxyz."
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    model = az.Bert.from_preset("bert_tiny", vocab_size=len(pieces), width=32, num_heads=2)
    task = az.Embed(model, az.WordPieceTokenizer(pieces), max_length=64)
    out = tmp_path_factory.mktemp("encoder") / "out"
    az.export(task, out, formats=["huggingface"], examples=[("a cat",), ("a dog",)])
    return out / "huggingface"


def sentences(name, count):
    """Short pairs of the Chinese and English sentences, with their header."""
    header, *rows = (ROOT / f"recipes/zh_en/data/{name}.tsv").read_text("utf-8").splitlines()
    chosen = [row for row in rows if len(row) < 50 and row.count(" ") < 4][:count]
    return "\n".join([header, *chosen, ""])


@pytest.fixture
def folder(request, page, tmp_path):
    """The files that a page supposes, few lines of each."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    if "recipes/dates/recipe.yaml --out" in text:
        write_dates(tmp_path)
    elif "runs/dates" in text:
        (tmp_path / "runs").mkdir()
        (tmp_path / "runs/dates").symlink_to(request.getfixturevalue("dates"))
    if re.search(r"(import|explain) all-MiniLM-L6-v2", text):
        (tmp_path / "all-MiniLM-L6-v2").symlink_to(request.getfixturevalue("encoder"))
    if "import opus-mt-en-de" in text:
        # A folder of the one kind that the page names; `tests/tasks/test_marian.py` has both.
        (tmp_path / "opus-mt-en-de").symlink_to(ROOT / "tests/data/marian/attention")
        rows = ["dog\tHund", "one red house\tHaus rot eins", "two two three\tdrei zwei zwei"]
        lines = "\n".join(["source\ttarget", *rows, ""])
        (tmp_path / "sentences.tsv").write_text(lines, encoding="utf-8")
    for name, count in {"train": 100, "valid": 5, "test": 5}.items():
        if page == "how-to/own-data":
            text = sentences(name, count)
        else:
            rows = [f"it is {w}\t{w}" for w in ("positive", "negative")] * 5
            text = "\n".join(["text\tlabel", *rows, ""])
        (tmp_path / f"{name}.tsv").write_text(text, encoding="utf-8")
    (tmp_path / "texts.tsv").write_text("text\na cat\na dog\nshares fell\n", encoding="utf-8")
    return tmp_path


class Shell:
    """Bash, in which `attention-zoo` is a fork, and `docker` a stand-in."""

    def __init__(self, folder, forks, shorter):
        forks.start()
        self.folder = folder
        self.server = None  # the running stand-in
        self.directory = tempfile.TemporaryDirectory()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        longer = " ".join(f'{name}) set -- "$@" {more} ;;' for name, more in shorter.items())
        self._tool("attention-zoo", f'case "$1" in {longer} esac\nexec "{forks.client}" "$@"')
        python = shlex.quote(sys.executable)
        self._tool("docker", f'exec {python} "{STAND_IN}" "$@"')
        self.environment = {
            **os.environ,
            "PATH": f"{self.directory.name}{os.pathsep}{os.environ['PATH']}",
            "STAND_IN_PORT": str(self.port),
        }

    def _tool(self, name, command):
        path = Path(self.directory.name) / name
        path.write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
        path.chmod(0o755)

    def close(self):
        if self.server:
            self.server.kill()
            self.server.wait()
            self.server.stdout.close()
        self.directory.cleanup()

    def run(self, code):
        """What a block of commands prints."""
        if "docker run" in code:
            return self._serve(code)
        code = code.replace("localhost:8501", f"127.0.0.1:{self.port}")
        code = code.replace("curl ", "curl --silent --fail-with-body ")
        process = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", code],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
        )
        assert process.returncode == 0, f"{code}\n{process.stderr[-3000:]}"
        return process.stdout

    def _serve(self, code):
        self.server = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", code],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert "Entering the event loop" in self.server.stdout.readline()
        return ""


@pytest.fixture
def shell(folder, forks, page):
    made = Shell(folder, forks, SHORTER.get(page, {}))
    yield made
    made.close()


def run_python(code, folder):
    """Runs a block; one that does not import the package could not, as where it is not installed.

    That files load without it is not shown here but by `export`, in a process for each.
    """
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        if "attention_zoo" not in code:
            patch.setitem(sys.modules, "attention_zoo", None)
        exec(compile(code, "page", "exec"), {"__name__": "page"})


# What these show is also shown by `tests/test_readme.py`, `tests/tasks/test_marian.py`,
# `tests/viewer`, `tests/playground` and in `tests/export`.
_SLOW = {
    "get-started",
    "how-to/tf-serving",
    "how-to/translate-on-a-phone",
    "how-to/keras-files",
    "how-to/phone",
    "how-to/playground",
    "how-to/see-attention",
}


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.slow] * (page in _SLOW)) for page in PAGES]
)
def test_the_page(page, folder, shell):
    run = 0
    for block in blocks(page):
        if block["why"]:
            continue
        if block["title"] and block["language"] == "yaml":
            (folder / block["title"]).write_text(block["code"], encoding="utf-8")
        elif block["language"] == "yaml":
            assert yaml.safe_load(block["code"])
        elif block["language"] == "sh":
            output = shell.run(block["code"])
            prints = re.search(r"predict|evaluate|explain (?!.*--out)|curl", block["code"])
            assert output or not prints
        elif block["language"] == "python":
            run_python(block["code"], folder)
        run += block["language"] in ("sh", "python")
    assert run > 1


def test_few_blocks_are_not_run():
    exempt = {page: sum(bool(block["why"]) for block in blocks(page)) for page in PAGES}
    assert {page: count for page, count in exempt.items() if count} == NOT_RUN


def test_every_page_is_in_the_contents():
    listed = re.findall(r"[\w/.-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    pages += [f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")]
    assert sorted(listed) == sorted(pages)


def test_every_public_name_is_in_the_reference():
    page = (DOCS / "reference/python.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^::: attention_zoo\.(?:.*\.)?(\w+)$", page, re.MULTILINE))
    checks = {name for name in testing.__all__ if name.startswith("check_")}
    modules = {"layers", "testing", "zoo"}
    assert shown == {*az.__all__, *checks} - {"__version__", *modules}
