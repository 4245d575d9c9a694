"""The commands as a user types them: answers on stdout, messages on stderr, exit statuses."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from attention_zoo.tasks.seq2seq.metrics import chrf_signature


def test_the_run_directory(run):
    assert {path.name for path in run.iterdir()} >= {
        "recipe.yaml",
        "task",
        "checkpoints",
        "logs",
        "report.json",
    }
    report = json.loads((run / "report.json").read_text())
    assert report["steps"] == 30
    assert set(report["valid"]) == {"loss", "exact_match", "chrf"}
    assert report["signatures"] == {"chrf": chrf_signature(["a"])}
    assert {path.name for path in (run / "task").iterdir()} == {
        "task.json",
        "model.safetensors",
        "tokenizer",
        "examples.jsonl",
        "SHA256SUMS",
    }


def test_the_export_directory(export):
    assert {path.name for path in export.iterdir()} == {
        "saved_model",
        "serving",
        "model.tflite",
        "model.dynamic_int8.tflite",
        "tokenizer",
        "task.json",
        "report.json",
        "report.md",
        "verification",
    }
    report = json.loads((export / "report.json").read_text())
    assert report["keras"]["signatures"] == {"chrf": chrf_signature(["a"])}
    assert f"chrf is `{chrf_signature(['a'])}`" in (export / "report.md").read_text()


def test_predict_is_the_same_from_run_saved_model_and_tflite(zoo, run, export):
    text = "abc\n\nGAB\n  \nbad\n"
    outputs = {
        path: zoo("predict", path, stdin=text).stdout
        for path in (run, run / "task", export, export / "saved_model", export / "model.tflite")
    }
    first = outputs[run]
    lines = first.split("\n")
    assert len(lines) == 6
    assert [bool(line) for line in lines] == [True, False, True, False, True, False]
    assert set(outputs.values()) == {first}


def test_predict_warns_about_long_and_foreign_lines(zoo, run):
    process = zoo("predict", run, "--batch", "1", stdin=b"ab\n" + b"a" * 400 + b"\n\xff\xfeab\n")
    assert process.stdout.count("\n") == 3
    assert "line 2 is longer than" in process.stderr
    assert "line 3 is not UTF-8" in process.stderr
    assert "line 1" not in process.stderr


def test_predict_json_and_n_best(zoo, run, tmp_path):
    (tmp_path / "in.txt").write_text("abc\nfed\n", encoding="utf-8")
    options = ["--input", tmp_path / "in.txt", "--beam-size", "4", "--n-best", "3"]
    plain = zoo("predict", run, *options).stdout.splitlines()
    rows = [
        json.loads(line) for line in zoo("predict", run, *options, "--json").stdout.splitlines()
    ]
    assert len(plain) == 6
    assert len(rows) == 2
    for row in rows:
        scores = [answer["score"] for answer in row["n_best"]]
        assert scores == sorted(scores, reverse=True)
        assert row["score"] == scores[0]
    assert [a["text"] for row in rows for a in row["n_best"]] == plain


def test_evaluate(zoo, run, export, data, tmp_path):
    results = [
        json.loads(zoo("evaluate", path, "--data", data / "valid.tsv", "--json").stdout)
        for path in (run, export, export / "model.tflite")
    ]
    assert results[0] == results[1] == results[2]
    assert results[0]["examples"] == 20
    assert list(results[0]["metrics"]) == ["exact_match", "chrf"]
    assert results[0]["truncated"] == {"source": 0, "target": 0}
    (tmp_path / "long.tsv").write_text(f"zh\ten\nab\tAB\n{'a' * 99}\tA\n", encoding="utf-8")
    process = zoo("evaluate", run, "--data", tmp_path / "long.tsv")
    (exact, chrf) = (line.split("\t") for line in process.stdout.splitlines())
    assert (exact[0], len(exact)) == ("exact_match", 2)
    assert (chrf[0], chrf[2]) == ("chrf", chrf_signature(["a"]))
    assert "1 of 2 source texts is longer than" in process.stderr
    assert "(the longest has 99) and is truncated" in process.stderr


def test_verify(zoo, export):
    process = zoo("verify", export)
    assert process.stdout == ""
    assert "model.dynamic_int8.tflite" in process.stderr


def test_verify_fails_with_status_1(zoo, export, tmp_path):
    copy = shutil.copytree(export, tmp_path / "copy")
    (copy / "model.tflite").unlink()
    assert "model.tflite" in zoo("verify", copy, check=1).stderr


def test_list(zoo):
    output = zoo("list").stdout
    for name in ("transformer_tiny", "transformer_small", "transformer_base", "transformer_big"):
        assert name in output


def test_several_devices_of_one_cpu(zoo, data, tmp_path):
    settings = ["--set", "train.steps=2", "--set", "data.valid=null", "--cpu-devices", "2"]
    arguments = ["train", data / "recipe.yaml", "--out", tmp_path / "run", *settings]
    process = zoo(*arguments, check=2)
    assert "--cpu-devices is for train.strategy: mirrored, not auto" in process.stderr
    zoo(*arguments, "--set", "train.strategy=mirrored")
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["steps"] == 2


def test_resume_goes_on_and_refuses_another_recipe(zoo, run, data, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    process = zoo(
        "train", data / "recipe.yaml", "--out", copy, "--resume", "--set", "train.steps=32"
    )
    assert "32 steps" in process.stderr
    process = zoo(
        "train", data / "recipe.yaml", "--out", copy, "--resume", "--set", "model.width=64", check=2
    )
    assert "is a run of another recipe: model.width was 32, is now 64" in process.stderr


def test_ctrl_c_leaves_a_usable_run(zoo, data, tmp_path):
    command = [str(Path(sys.executable).parent / "attention-zoo"), "train"]
    arguments = [str(data / "recipe.yaml"), "--out", str(tmp_path / "run")]
    many = ["--set", "train.steps=1000000", "--set", "train.evaluate_every=500000"]
    process = subprocess.Popen([*command, *arguments, *many], stderr=subprocess.PIPE, text=True)
    log = tmp_path / "run" / "logs" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (log.exists() and log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=120)
    assert process.returncode == 130, messages
    assert "continue with --resume" in messages
    assert "Traceback" not in messages
    assert zoo("predict", tmp_path / "run", stdin="abc\n").stdout.count("\n") == 1


NEW_RUN = ["train", "RECIPE", "--out", "NEW", "--set"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "RECIPE", "--out", "RUN"], "is not empty; choose another --out"),
        (["train", "nowhere.yaml", "--out", "NEW"], "nowhere.yaml: No such file"),
        ([*NEW_RUN, "train.step=3"], 'did you mean "steps"'),
        ([*NEW_RUN, "data.train=no.tsv"], "no.tsv: No such file"),
        (
            [*NEW_RUN, "data.source=ja"],
            'train.tsv, line 1: no column "ja"',
        ),
        (
            [*NEW_RUN, "model.preset=transformer_tinny"],
            'did you mean "transformer_tiny"',
        ),
        (
            [*NEW_RUN, "model.widht=3"],
            "has no option 'widht'; did you mean \"width\"",
        ),
        (
            [*NEW_RUN, "model.num_heads=5"],
            "num_heads must divide the width",
        ),
        (
            [*NEW_RUN, "tokenizer={kind: sentencepiece, vocab_size: 9999}"],
            "tokenizer.vocab_size: 9999 is too large for the training text",
        ),
        ([*NEW_RUN, "evaluate.metrics=[blue]"], 'mean "bleu"'),
        (["predict", "nowhere"], "nowhere: no such file or directory"),
        (["predict", "RECIPE"], "is not a run, a task, an export directory"),
        (["predict", "RUN", "--input", "nothing.txt"], "nothing.txt: No such file"),
        (["predict", "RUN", "--beam-size", "9999"], "beam_size must be from 1 to"),
        (["predict", "RUN", "--n-best", "9"], "n_best must be from 1 to 2, received 9"),
        (["predict", "EXPORT/model.tflite", "--beam-size", "4"], "part of its graph"),
        (["evaluate", "RUN", "--data", "nothing.tsv"], "nothing.tsv: No such file"),
        (["export", "RUN", "--out", "RUN"], "is not empty"),
        (["export", "RUN", "--out", "NEW", "--formats", "tflight"], "no format 'tflight'"),
        (["verify", "RUN"], "is not an export"),
        (["verify", "EXPORT", "--python", "nowhere"], "nowhere is not an executable"),
    ],
)
def test_mistakes_are_one_clear_message(zoo, run, export, data, tmp_path, arguments, message):
    places = {"RECIPE": data / "recipe.yaml", "RUN": run, "NEW": tmp_path / "new", "EXPORT": export}
    filled = [
        str(places[first]) + rest if first in places else argument
        for argument in arguments
        for first, rest in [(argument.split("/")[0], argument[len(argument.split("/")[0]) :])]
    ]
    process = zoo(*filled, stdin="abc\n", check=2)
    assert message in process.stderr
    assert "Traceback" not in process.stderr
    assert process.stdout == ""


def test_a_damaged_task_is_named(zoo, run, tmp_path):
    copy = shutil.copytree(run / "task", tmp_path / "task")
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "model.safetensors is damaged" in zoo("predict", copy, check=2).stderr
    (copy / "task.json").write_text("{", encoding="utf-8")
    assert "task.json is damaged" in zoo("predict", copy, check=2).stderr


def test_import_predict_and_evaluate_a_bert(zoo, tmp_path):
    """A folder as Hugging Face's libraries write it, made here of random weights."""
    from attention_zoo.export.hugging_face import write_hugging_face
    from attention_zoo.tasks.classify.task import Classify
    from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
    from attention_zoo.zoo import BertClassifier

    encoder = {"vocab_size": 7, "width": 8, "num_blocks": 1, "num_heads": 2, "max_length": 16}
    tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, "a", "b"])
    labels = ["no", "yes"]
    task = Classify(BertClassifier(2, encoder), tokenizer, labels)
    write_hugging_face(task, tmp_path / "theirs")
    process = zoo("import", tmp_path / "theirs", "--out", tmp_path / "run")
    assert process.stdout == ""
    assert f"classify, {task.model.count_params():,} weights" in process.stderr
    assert (
        "choose another --out"
        in zoo("import", tmp_path / "theirs", "--out", tmp_path / "run", check=2).stderr
    )
    (expected,) = task.predict(["a b"])
    answered = zoo("predict", tmp_path / "run", "--json", stdin="a b\n").stdout
    assert json.loads(answered) == expected.record
    (tmp_path / "data.tsv").write_text(f"text\tlabel\na b\t{expected.text}\n")
    scores = zoo("evaluate", tmp_path / "run", "--data", tmp_path / "data.tsv", "--json").stdout
    assert json.loads(scores) == {
        "metrics": {"accuracy": 100.0, "macro_f1": 100.0},
        "examples": 1,
        "truncated": {"text": 0},
        "signatures": {},
    }
    message = zoo("predict", tmp_path / "run", "--beam-size", "3", stdin="a\n", check=2).stderr
    assert "classify has no option 'beam_size'" in message
