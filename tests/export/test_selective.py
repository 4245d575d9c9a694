"""Weights that do not bear 8 bits are found, put back and named; the others stay small."""

import keras
import numpy as np
import pytest

from attention_zoo.export import selective
from attention_zoo.export.export import export
from attention_zoo.export.litert import write_litert
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.zoo import BertClassifier

TOKENIZER = WordPieceTokenizer([*SPECIAL_PIECES, *"abcdefghijklmnopqrstuvwxyz"])
LABELS = [str(i) for i in range(5)]


@pytest.fixture(scope="module")
def task():
    """A classifier in which one weight matrix has an outlier in every row."""
    keras.utils.set_random_seed(2)
    encoder = {
        "vocab_size": TOKENIZER.vocab_size,
        "width": 48,
        "num_blocks": 2,
        "num_heads": 3,
        "max_length": 32,
    }
    task = Classify(BertClassifier(len(LABELS), encoder), TOKENIZER, LABELS)
    for variable in task.model.trainable_variables:
        if "kernel" in variable.path:
            variable.assign(variable * 6.0)
    variables = {v.path.split("/block_1/")[-1]: v for v in task.model.variables}
    hurt = variables["feed_forward/inner/kernel"]
    values = hurt.numpy()
    values[0] = 300.0 * np.abs(values).max()  # 8 bits leave nothing beside such a number
    hurt.assign(values)
    for name in ("gamma", "beta"):  # and nothing comes in there that it is multiplied with
        variable = variables[f"self_attention_add_norm/layer_norm/{name}"]
        variable.assign(variable * (np.arange(variable.shape[0]) > 0))
    return task, hurt.path


@pytest.fixture(scope="module")
def examples(task):
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice([*"abcdefghijklmnopqrstuvwxyz"], 9)) for _ in range(60)]
    return list(zip(texts, task[0](texts), strict=True))


@pytest.mark.slow
def test_the_weight_is_found_and_named(task, examples, tmp_path):
    task, path = task
    quantize = ["none", "dynamic_int8", "selective_int8"]
    report = export(task, tmp_path / "wide", ["litert"], quantize, examples=examples, max_drop=100)
    whole, small, between = report["artefacts"]
    assert small["metric"]["accuracy"] < 95
    assert between["bytes"] - small["bytes"] < 2000  # at 100 points whatever there is passes
    assert between.kept_in_float32 == []
    report = export(task, tmp_path / "out", ["litert"], ["selective_int8"], examples, max_drop=2)
    (artefact,) = report["artefacts"]
    assert artefact["verified"]
    assert artefact["in_float"][0] == path
    assert len(artefact["in_float"]) < 4
    assert small["bytes"] < artefact["bytes"] < whole["bytes"]
    assert f"`{path}`" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_all_in_float_is_the_file_in_float(task, examples, tmp_path):
    """Tables that are looked up in are put back too."""
    task, _ = task
    write_litert(task, tmp_path / "whole.tflite")
    write_litert(task, tmp_path / "small.tflite", "dynamic_int8")
    small, whole = ((tmp_path / f"{name}.tflite").read_bytes() for name in ("small", "whole"))
    weights = selective.find_weights(small, whole, task.model.variables)
    paths = {variable.path for variable in task.model.variables}
    assert sum(weight.name in paths for weight in weights) > len(weights) / 2
    inputs = task.export_inputs(examples[:8])
    numbers = selective._numbers(task, selective.keep_in_float32(small, weights), inputs)
    expected = selective._numbers(task, whole, inputs)
    np.testing.assert_allclose(numbers, expected, atol=1e-5)
    assert np.abs(selective._numbers(task, small, inputs) - expected).max() > 1e-2


@pytest.mark.parametrize(("least", "found"), [(1, 1), (4, 4), (9, 9), (99, 9)])
def test_the_smallest_number_that_passes(least, found):
    assert selective._smallest(lambda number: number >= least, 9) == found
