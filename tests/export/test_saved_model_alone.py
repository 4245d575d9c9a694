"""The SavedModel in a process that imports only tensorflow and tensorflow_text."""

import json
import subprocess
import sys

SCRIPT = r"""
import json, sys
import tensorflow as tf
import tensorflow_text
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
inputs = {
    "one": [b"alpha beta"],
    "hundred": [b"alpha %d" % i for i in range(100)],
    "empty": [b""],
    "long": [b"beta " * 2000],
    "invalid": [b"\xff\xfe alpha \xc3", b"\x80"],
    "nothing": [],
    "odd": ["\u0000\U0010ffff\u202e".encode(), b"\n\t "],
}
answers = {}
for name, texts in inputs.items():
    outputs = serve(text=tf.constant(texts, tf.string))
    answers[name] = [text.decode() for text in outputs["text"].numpy()]
    assert outputs["score"].shape == len(texts)
assert "attention_zoo" not in sys.modules
print(json.dumps(answers))
"""


def test_every_kind_of_string_gets_an_answer(task, exported):
    command = [sys.executable, "-I", "-c", SCRIPT, str(exported[0] / "saved_model/1")]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr[-3000:]
    answers = json.loads(process.stdout)
    assert {name: len(texts) for name, texts in answers.items()} == {
        "one": 1,
        "hundred": 100,
        "empty": 1,
        "long": 1,
        "invalid": 2,
        "nothing": 0,
        "odd": 2,
    }
    assert answers["empty"] == [""]
    assert answers["one"] == task(["alpha beta"])
    assert answers["hundred"] == task([f"alpha {i}" for i in range(100)])
    assert answers["long"] == task(["beta " * 2000])
