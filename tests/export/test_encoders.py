"""Every task of an encoder, exported in every format and answered with by every artefact."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf
from reference.encoder_tasks import KINDS, make

from attention_zoo.errors import ResultError, UserError
from attention_zoo.export.export import export, verify_export
from attention_zoo.export.formats import FORMATS, QUANTIZATIONS
from attention_zoo.loading import load
from attention_zoo.tasks.importing import import_task

MINILM = Path(__file__).parents[1] / "zoo" / "data" / "minilm_l6_v2_sentences.npz"


def export_all(kind, directory, formats, quantize):
    """Exports in those of the formats that a task can have, and checks every artefact."""
    task, examples = make(kind)
    formats = [name for name in formats if not FORMATS[name].why_not(task)]
    # Metrics of random weights mean nothing: what holds the quantised files here are cosines.
    report = export(task, directory, formats, quantize, examples, max_drop=100)
    assert len(report["artefacts"]) == sum(
        max(1, len(set(quantize) & set(FORMATS[name].quantizations))) for name in formats
    )
    least = {"float16": 0.9999, "dynamic_int8": 0.99, "full_int8": 0.98, "selective_int8": 0.99}
    for artefact in report["artefacts"]:
        assert artefact["verified"]
        assert artefact["compared"] == len(examples)
        if artefact["quantize"] == "none":
            assert artefact["max_abs_diff"] < 1e-4
            assert artefact["same_answers"] == 1.0
        else:
            assert artefact["max_abs_diff"] > 0
            assert artefact["cosine"] > least[artefact["quantize"]]
    return task, examples, report


# The others differ from these in few lines.
_FAST = {"answer"}
_ALL = [pytest.param(kind, marks=[pytest.mark.slow] * (kind not in _FAST)) for kind in KINDS]


@pytest.fixture(scope="module", params=_ALL)
def exported(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("export") / "out"
    formats = ["saved_model", "litert", "keras", "onnx", "huggingface"]
    task, examples, report = export_all(request.param, directory, formats, ["none", "dynamic_int8"])
    return task, examples, directory, report


def test_every_artefact_is_verified(exported):
    assert [artefact["file"] for artefact in exported[3]["artefacts"]] == [
        "saved_model/1",
        "model.tflite",
        "model.dynamic_int8.tflite",
        "model.keras",
        "onnx",
        "huggingface",
    ]


def test_a_word_that_is_read_is_masked_in_a_long_text(tmp_path):
    task, _ = make("fill_mask")
    examples = [("a b c " * 40,), ("aaaaaaaaaaaaaaaaaaaa " * 9,)]  # of the second none is read
    report = export(task, tmp_path / "out", ["litert"], examples=examples, max_drop=100)
    assert report["artefacts"][0]["same_answers"] == 1.0
    texts = [task.input_of(example) for example in examples]
    first, second = task.answers(task.signatures()["serving_default"][0](tf.constant(texts)), texts)
    assert first in task.tokenizer.vocabulary
    assert second == ""


@pytest.mark.parametrize(
    ("kind", "quantize"),
    [
        ("classify", "full_int8"),
        ("embed", "none"),
        ("embed", "float16"),
        ("tag", "dynamic_int8"),
    ],
)
@pytest.mark.slow
def test_files_for_phones(kind, quantize, tmp_path):
    export_all(kind, tmp_path / "out", ["litert", "litert_static", "mediapipe"], [quantize])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_matrix(kind, tmp_path):
    export_all(kind, tmp_path / "out", FORMATS, QUANTIZATIONS)


@pytest.mark.slow
def test_minilm_keeps_what_it_knows_in_eight_bits(minilm, tmp_path):
    sentences = np.load(MINILM)["sentences"]
    report = export(
        import_task(minilm),
        tmp_path / "out",
        ["saved_model", "litert"],
        ["none", "dynamic_int8"],
        [(str(sentence),) for sentence in sentences],
    )
    strings, plain, int8 = report["artefacts"]
    assert max(strings["max_abs_diff"], plain["max_abs_diff"]) < 1e-5
    assert int8["cosine"] > 0.995


def test_artefacts_answer_as_the_task_does(exported):
    task, examples, directory, _ = exported
    texts = [task.input_of(example) for example in examples] * 6  # more than a batch
    expected = task.predict(texts)
    for path in (directory / "saved_model", directory / "model.tflite"):
        found = load(path).predict(texts)
        for ours, theirs in zip(expected, found, strict=True):
            if task.kind == "embed":
                np.testing.assert_allclose(
                    theirs.record["embedding"], ours.record["embedding"], atol=1e-5
                )
            else:
                assert task.is_same(theirs.text, ours.text)


def test_it_is_verified_again_and_a_changed_weight_is_found(tmp_path):
    task, examples = make("classify pairs")
    report = export(task, tmp_path / "out", ["litert", "huggingface"], examples=examples)
    again = verify_export(tmp_path / "out")
    names = [(a["file"], a["max_abs_diff"]) for a in report["artefacts"]]
    assert [(a["file"], a["max_abs_diff"]) for a in again["artefacts"]] == names
    path = tmp_path / "out" / "huggingface" / "model.safetensors"
    arrays = safetensors.numpy.load(path.read_bytes())
    name = "bert.encoder.layer.1.intermediate.dense.weight"
    arrays[name][0, 0] += 1.0
    path.write_bytes(safetensors.numpy.save(arrays))
    with pytest.raises(ResultError, match=re.escape("huggingface: numbers differ by")):
        verify_export(tmp_path / "out")


def test_a_format_of_another_family_says_so(task, tmp_path):
    with pytest.raises(UserError, match="is for BERT, the model is a Transformer"):
        export(task, tmp_path / "out", ["huggingface"])
    encoder, examples = make("tag")
    with pytest.raises(UserError, match="is for decoding, the task is tag"):
        export(encoder, tmp_path / "out", ["litert_stream"], examples=examples)
    assert not (tmp_path / "out").exists()


# What a person who only runs an artefact installs.
ENVIRONMENTS = {
    "tensorflow": (["saved_model", "keras"], ["tensorflow>=2.21", "tensorflow-text>=2.21.1"]),
    "litert": (["litert", "litert_static", "litert_stream"], ["ai-edge-litert", "numpy"]),
    "onnx": (["onnx"], ["onnxruntime"]),
    "mediapipe": (["mediapipe"], ["mediapipe"]),
}


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def environment(request, tmp_path_factory):
    """The formats, and an interpreter with no more than what runs them."""
    formats, packages = ENVIRONMENTS[request.param]
    folder = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return formats, python


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["seq2seq", "classify", "embed"])
def test_answers_are_the_same_there(environment, kind, task, tmp_path):
    formats, python = environment
    found, examples = (task, task.examples) if kind == "seq2seq" else make(kind)
    formats = [name for name in formats if not FORMATS[name].why_not(found)]
    if not formats:
        assert kind == "seq2seq"  # which MediaPipe has no task for
        return
    first = export(found, tmp_path / "out", formats, examples=examples)
    report = verify_export(tmp_path / "out", python=python)
    assert [artefact["file"] for artefact in report["artefacts"]] == [
        artefact["file"] for artefact in first["artefacts"]
    ]
    for artefact in report["artefacts"]:
        assert artefact["verified"]
        assert artefact["same_answers"] in (1.0, None)
