"""A user's own model, task, tokenizer, metric and format, through the whole command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parent / "extending"
TRAIN = "train: {steps: 20, evaluate_every: 10, batch_tokens: 64, buckets: 1, max_unknown: 1}\n"
WORDS = ["abc", "abd", "éa", "xyz", "ba", "cab"] * 3
STARS = [("good", 4.5), ("bad", 1), ("fine", 3)] * 4
# Recipe, data, plugins, the format to export, a text to answer, and whether that is a number.
CASES = {
    "model and tokenizer": (
        "task: seq2seq\nmodel: {preset: MeanOfSource, width: 16}\n"
        "tokenizer: {kind: bytes, shared: true}\n"
        "data: {train: d.tsv, valid: d.tsv, test: d.tsv, source: source, target: target}\n",
        ["source\ttarget", *(f"{word}\t{word[::-1]}" for word in WORDS)],
        ("my_model", "my_tokenizer"),
        ("litert", "model.tflite"),
        "abc",
    ),
    "task, metric and format": (
        "task: stars\nmodel: {preset: bert_tiny, width: 16, num_blocks: 1, num_heads: 2}\n"
        "evaluate: {metrics: [mean_absolute_error]}\ntokenizer: {vocab_size: 60}\n"
        "data: {train: d.tsv, valid: d.tsv, test: d.tsv, text: text, stars: stars}\n",
        ["text\tstars", *(f"a {word} film\t{stars}" for word, stars in STARS)],
        ("my_task", "my_metric", "my_format"),
        ("bundle", "bundle.zip"),
        "a good film",
    ),
}


def run(folder, *arguments, plugins=(), status=0, **options):
    command = [sys.executable, "-m", "attention_zoo.cli", *map(str, arguments)]
    command += [part for name in plugins for part in ("--plugin", PLUGINS / f"{name}.py")]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, **options)
    assert process.returncode == status, process.stderr
    assert "Traceback" not in process.stderr
    return process


@pytest.fixture(scope="module", params=CASES)
def trained(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("extending")
    recipe, lines, plugins, (form, file), text = CASES[request.param]
    (folder / "recipe.yaml").write_text(recipe + TRAIN, encoding="utf-8")
    (folder / "d.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    run(folder, "train", "recipe.yaml", "--out", "run", plugins=plugins)
    run(folder, "export", "run", "--out", "out", "--formats", form, plugins=plugins)
    return folder, plugins, file, text


def test_the_artefact_answers_as_the_run_does(trained):
    folder, plugins, file, text = trained
    answers, scores = [], []
    for source in ("run", f"out/{file}"):
        predicted = run(folder, "predict", source, plugins=plugins, input=text + "\n")
        answers.append(predicted.stdout)
        scored = run(folder, "evaluate", source, "--data", "d.tsv", "--json", plugins=plugins)
        scores.append(json.loads(scored.stdout)["metrics"])
    assert answers[0].strip()
    assert answers[0] == answers[1]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)


def test_the_export_verifies(trained):
    folder, plugins, file, _ = trained
    verified = run(folder, "verify", "out", plugins=plugins)
    assert file in verified.stderr


def test_without_the_plugin_its_name_is_asked_for(trained):
    folder, _, file, text = trained
    for command in (("train", "recipe.yaml", "--out", "again"), ("predict", f"out/{file}")):
        process = run(folder, *command, status=2, input=text)
        assert "--plugin" in process.stderr


def test_the_examples_stay_short():
    files = sorted(PLUGINS.glob("*.py"))
    assert sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files) <= 270


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        ("nowhere", "--plugin nowhere: No module named 'nowhere'"),
        ("nowhere.py", r"--plugin nowhere.py: no such file"),
        ("broken.py", "--plugin broken.py: NameError: name 'oops' is not defined"),
    ],
)
def test_a_plugin_that_cannot_be_imported(plugin, message, tmp_path):
    (tmp_path / "broken.py").write_text("oops\n", encoding="utf-8")
    process = run(tmp_path, "schema", "--plugin", plugin, status=2)
    assert message in process.stderr
