"""Verification fails, and names the artefact, whatever is wrong with it."""

import re
import shutil
import zipfile

import keras
import numpy as np
import onnx
import pytest

from attention_zoo.errors import ResultError
from attention_zoo.export.export import export, verify_export
from attention_zoo.export.formats import FORMATS
from attention_zoo.tasks.tag.task import Tag
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.zoo import BertTokenClassifier, bert

TOKENIZER = WordPieceTokenizer([*SPECIAL_PIECES, "a", "b", "c", "##a", "##b", "##c"])
EXAMPLES = [(text, " ".join("O" for _ in text.split())) for text in ("ab c", "a", "cab a b c")]


@pytest.fixture(scope="module")
def task():
    keras.utils.set_random_seed(6)
    encoder = {"vocab_size": TOKENIZER.vocab_size, "width": 12, "num_blocks": 1, "num_heads": 2}
    task = Tag(BertTokenClassifier(2, {**encoder, "max_length": 16}), TOKENIZER, ["O", "B-X"])
    rng = np.random.default_rng(7)
    for variable in task.model.trainable_variables:
        variable.assign_add(rng.normal(0, 0.2, variable.shape))
    return task


@pytest.fixture(scope="module")
def exported(task, tmp_path_factory):
    directory = tmp_path_factory.mktemp("sabotage") / "out"
    export(task, directory, ["litert", "keras", "onnx"], examples=EXAMPLES)
    return directory


def _another_epsilon(directory):
    path = directory / "model.keras"
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    config = members["config.json"]
    members["config.json"] = config.replace(b'"epsilon": 1e-12', b'"epsilon": 0.01')
    assert members["config.json"] != config
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return "model.keras"


def _another_weight(directory):
    path = directory / "onnx" / "serving_default.onnx"
    model = onnx.load(path)
    weights = [w for w in model.graph.initializer if w.data_type == onnx.TensorProto.FLOAT]
    largest = max(weights, key=lambda weight: np.prod(weight.dims))
    changed = onnx.numpy_helper.to_array(largest).copy()
    changed.flat[:: max(1, changed.size // 7)] += 0.5
    largest.CopyFrom(onnx.numpy_helper.from_array(changed, largest.name))
    onnx.save(model, path)
    return "onnx"


def _shorter(name, file):
    def truncate(directory):
        path = directory / file
        path.write_bytes(path.read_bytes()[:-200])
        return name

    return truncate


SPOILERS = {
    "another epsilon": _another_epsilon,
    "another weight": _another_weight,
    "a shorter ONNX file": _shorter("onnx", "onnx/serving_default.onnx"),
    "a shorter Keras file": _shorter("model.keras", "model.keras"),
    "a shorter LiteRT file": _shorter("model.tflite", "model.tflite"),
}


_FAST = ("another epsilon", "another weight")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(spoil, id=name, marks=[pytest.mark.slow] * (name not in _FAST))
        for name, spoil in SPOILERS.items()
    ],
)
def test_what_was_changed_afterwards(exported, tmp_path, spoil):
    copy = shutil.copytree(exported, tmp_path / "copy")
    name = spoil(copy)
    with pytest.raises(ResultError, match=f"^verification failed for {re.escape(name)}: [^;]*$"):
        verify_export(copy)


@pytest.mark.parametrize("kind", ["saved_model", "litert", "onnx"])
def test_a_mask_that_is_ignored(task, tmp_path, monkeypatch, kind):
    whole, split = FORMATS[kind].write, bert.split_inputs

    def without_mask(inputs):
        token_ids, segment_ids, mask = split(inputs)
        return token_ids, segment_ids, keras.ops.ones_like(mask)

    def write(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr(bert, "split_inputs", without_mask)
            return whole(*arguments)

    monkeypatch.setattr(FORMATS[kind], "write", write)
    with pytest.raises(ResultError, match="numbers differ by"):
        export(task, tmp_path / "out", [kind], examples=EXAMPLES)
