"""Runs Beam pipelines over a SavedModel; started by test_beam.py with Beam on its path."""

import json
import os
import sys
from pathlib import Path

import apache_beam as beam
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference
from apache_beam.testing.util import assert_that, equal_to

import attention_zoo as az
from attention_zoo import beam as ours
from attention_zoo.errors import UserError


def inputs(folder):
    """Two files, with empty lines and one that is not UTF-8."""
    words = ["zoo", "", "attention", "a" * 200, "keys and values"]
    rows = [words[i % 5].encode() for i in range(3000)]
    rows[1500] = b"bad \xff byte"
    (folder / "in-1.txt").write_bytes(b"\n".join(rows) + b"\n")
    (folder / "in-2.txt").write_text("query\nkey", encoding="utf-8")


def rounded(answer):
    """An answer whose score does not depend on the rest of its batch."""
    return {**answer.record, "score": round(answer.record["score"], 3)}


def run_inference(source):
    task = az.load(source)
    texts = ["zoo", "key", "head"]
    expected = [(i, rounded(answer)) for i, answer in enumerate(task.predict(texts))]
    assert len({record["text"] for _, record in expected}) > 1
    with beam.Pipeline() as pipeline:
        found = (
            pipeline
            | beam.Create(list(enumerate(texts)))
            | RunInference(KeyedModelHandler(ours.Predict(source, batch_size=2)))
            | beam.MapTuple(lambda key, result: (key, rounded(result.inference)))
        )
        assert_that(found, equal_to(expected))


def failing_inputs(source):
    """An input that is not a text costs no other one."""
    task = az.load(source)
    answers = ours.answers_or_reasons(task, ["zoo", ("a", "b"), "key"], {})
    assert [a.text for a in answers] == [task(["zoo"])[0], "", task(["key"])[0]]
    assert "error" in answers[1].record
    assert answers[1].lines == [""]


def restart(source, folder):
    """Only the missing block is answered again."""
    output = folder / "again"
    ours.predict_files(source, str(folder / "in-1.txt"), output)
    whole = (output / "in-1.txt").read_bytes()
    (output / "in-1.txt").unlink()
    lines = whole.splitlines(keepends=True)
    blocks = output / ".blocks" / "in-1.txt"
    (blocks / "00000000").write_bytes(b"kept\n" * ours.BLOCK)
    (blocks / "00000002").write_bytes(b"".join(lines[2 * ours.BLOCK :]))
    ours.predict_files(source, str(folder / "in-1.txt"), output)
    expected = [b"kept\n"] * ours.BLOCK + lines[ours.BLOCK :]
    assert (output / "in-1.txt").read_bytes() == b"".join(expected)
    before = os.stat(output / "in-1.txt").st_mtime_ns
    ours.predict_files(source, str(folder / "in-1.txt"), output)
    assert os.stat(output / "in-1.txt").st_mtime_ns == before


def mistakes(source, folder):
    output = folder / "mistakes"
    cases = [
        ({"pattern": str(folder / "none-*.txt")}, "no files match"),
        ({"options": {"n_best": 9}}, "n_best must be from 1 to"),
        ({"options": {"nonsense": 1}}, "nonsense"),
        ({"output": folder}, "is not empty; choose another --output"),
        ({"output": folder / "again", "options": {"beam_size": 2}}, "other inputs or by other"),
        ({"source": str(folder / "nowhere")}, "nowhere"),
    ]
    for given, message in cases:
        arguments = {"source": source, "pattern": str(folder / "in-*.txt"), "output": output}
        try:
            ours.predict_files(**{**arguments, **given})
        except UserError as error:
            assert message in str(error), (message, error)
        else:
            raise AssertionError(message)


if __name__ == "__main__":
    source, folder = sys.argv[1], Path(sys.argv[2])
    inputs(folder)
    run_inference(source)
    failing_inputs(source)
    count = ours.predict_files(source, str(folder / "in-*.txt"), folder / "out")
    rows = [json.loads(line) for line in (folder / "out" / "errors.jsonl").open()]
    assert count == len(rows) == 1
    assert [(row["file"], row["line"]) for row in rows] == [("in-1.txt", 1501)]
    restart(source, folder)
    mistakes(source, folder)
