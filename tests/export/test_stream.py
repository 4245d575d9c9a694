"""A LiteRT file that gives a token at a time."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from attention_zoo.errors import UserError
from attention_zoo.export.artefact import load_artefact
from attention_zoo.export.export import export
from attention_zoo.export.litert import litert_operators

RUNNERS = Path(importlib.util.find_spec("attention_zoo.export").origin).parent / "runners"
DRIVE = """
import sys
sys.path.insert(0, sys.argv[1])
from run_litert_stream import Stream
stream = Stream(sys.argv[2])
for source in sys.argv[3:]:
    print(*stream.tokens([int(token) for token in source.split()]))
"""


@pytest.fixture(scope="module")
def exported(task, tmp_path_factory):
    directory = tmp_path_factory.mktemp("stream") / "out"
    before, task.beam_size = task.beam_size, 1
    yield directory, export(task, directory, ["litert_stream"], ["none", "dynamic_int8"])
    task.beam_size = before


def test_it_answers_as_the_model_does(exported):
    _, report = exported
    full, int8 = report["artefacts"]
    assert [full["file"], int8["file"]] == ["stream.tflite", "stream.dynamic_int8.tflite"]
    assert full["same_answers"] == 1.0
    assert full["max_abs_diff"] < 1e-4
    assert 1e-4 < int8["max_abs_diff"] < 1.0


def test_what_is_remembered_lies_in_the_file(exported, task):
    directory, report = exported
    assert "ASSIGN_VARIABLE" in litert_operators((directory / "stream.tflite").read_bytes())
    assert report["artefacts"][0]["signatures"] == {
        "encode": {
            "inputs": {"source_ids": f"int32 [1, {task.max_source_length}]"},
            "outputs": dict.fromkeys(("max_length", "min_length", "no_repeat_ngram"), "int32 []"),
        },
        "decode_step": {
            "inputs": {"position": "int32 []", "token_id": "int32 [1, 1]"},
            "outputs": {
                "attention": f"float32 [1, {task.max_source_length}]",
                "logits": f"float32 [1, {task.model.target_vocab_size}]",
            },
        },
    }


def test_the_driver(exported, task, examples):
    texts = [source for source, _ in examples[:4]]
    sources = [ids for ids, _ in task.to_ids([(text, "") for text in texts])]
    arguments = [" ".join(map(str, ids)) for ids in sources]
    path = exported[0] / "stream.tflite"
    command = [sys.executable, "-I", "-c", DRIVE, str(RUNNERS), str(path), *arguments]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    answers = [[int(token) for token in line.split()] for line in process.stdout.splitlines()]
    ids = [np.array([answer], np.int32) for answer in answers]
    assert [task.target_tokenizer.decode(row).numpy()[0].decode() for row in ids] == task(texts)


def test_a_task_answers_with_it(exported, task, examples):
    texts = [source for source, _ in examples[:4]]
    streamed = load_artefact(exported[0] / "stream.tflite")
    ours, theirs = (t.predict(texts) for t in (task, streamed))
    assert [answer.text for answer in theirs] == [answer.text for answer in ours]
    scores = [[answer.score for answer in answers] for answers in (ours, theirs)]
    assert scores[1] == pytest.approx(scores[0], abs=1e-4)
    with pytest.raises(UserError, match="how a LiteRT file for single steps searches is part of"):
        streamed(texts, beam_size=3)
