"""Recurrent models become the same artefacts: builtin operators, any batch, any length."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from attention_zoo.export.export import export
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.word_tokenizer import WordTokenizer
from attention_zoo.zoo import RNNAttention

KINDS = {
    "gru, additive": {"num_encoder_layers": 2, "residual": True},
    "lstm, fed": {
        "cell": "lstm",
        "attention": "luong",
        "score": "concat",
        "input_feeding": True,
        "layer_norm": True,
    },
    "gru, none": {"attention": "none", "reset_after": False, "initial_state": "last"},
}
LETTERS, SOUNDS = "abcdefgh", ["AA", "B", "K", "D", "EH", "F", "G", "HH"]


@pytest.fixture(
    params=[pytest.param(k, marks=[pytest.mark.slow] * (k != "gru, none")) for k in KINDS]
)
def task(request):
    keras.utils.set_random_seed(7)
    source, target = CharacterTokenizer(LETTERS), WordTokenizer(SOUNDS)
    model = RNNAttention(
        source.vocab_size, target.vocab_size, width=16, max_length=20, **KINDS[request.param]
    )
    for variable in model.trainable_variables:
        if "kernel" in variable.path or "table" in variable.path:
            variable.assign(variable * 2.0)
    task = Seq2Seq(model, source, target, beam_size=3, max_target_length=12)
    task.metrics = ("phoneme_error_rate",)
    words = [LETTERS[i % 7 : i % 7 + 1 + i % 5] + LETTERS[i % 3] for i in range(20)]
    task.examples = [(w, " ".join(SOUNDS[LETTERS.index(c)] for c in w)) for w in words]
    return task


@pytest.mark.slow
def test_weights_in_8_bits(tmp_path):
    keras.utils.set_random_seed(8)
    tokenizer = CharacterTokenizer(LETTERS)
    task = Seq2Seq(RNNAttention(tokenizer.vocab_size, width=96, max_length=20), tokenizer)
    task.metrics, task.examples = ("exact_match",), [("abc", "no answer")] * 3
    report = export(task, tmp_path / "out", formats=["litert"], quantize=["none", "dynamic_int8"])
    full, quantised = report["artefacts"]
    assert quantised["verified"]
    assert 0 < quantised["max_abs_diff"] < 0.1
    assert quantised["bytes"] < 0.5 * full["bytes"]


def test_every_artefact_is_verified(task, tmp_path):
    formats = ["saved_model", "litert", "onnx", "litert_stream"]
    report = export(task, tmp_path / "out", formats)
    files = [artefact["file"] for artefact in report["artefacts"]]
    assert files == ["saved_model/1", "model.tflite", "onnx", "stream.tflite"]
    for artefact in report["artefacts"]:
        assert artefact["verified"], artefact
        # A token at a time is greedy, and this task searches with a beam.
        assert artefact["same_answers"] == (None if artefact["file"] == "stream.tflite" else 1.0)
        assert artefact["max_abs_diff"] < 1e-4
    # The same file with batches and lengths that differ from call to call.
    run = Interpreter(str(tmp_path / "out/model.tflite")).get_signature_runner("serving_default")
    words = ["a", "hab", "cafe", "deadbeef"]
    together = run(source_ids=task.source_tokenizer.encode(words, 20).numpy())
    for row, word in enumerate(words):
        alone = run(source_ids=task.source_tokenizer.encode([word], 20).numpy())
        np.testing.assert_array_equal(alone["target_ids"][0], together["target_ids"][row])
