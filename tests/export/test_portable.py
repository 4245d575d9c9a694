"""Keras files hold Keras's own layers alone, and are models like any other."""

import json
import zipfile

import keras
import numpy as np
import pytest
from reference.encoder_tasks import make

from attention_zoo.errors import UserError
from attention_zoo.export.export import export
from attention_zoo.export.keras_3 import write_keras
from attention_zoo.export.portable import portable_model
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.zoo import RNNAttention, Transformer


def _modules(config):
    """The modules of all classes named in a config."""
    if isinstance(config, dict):
        if "class_name" in config and config.get("module"):
            yield config["module"]
        for value in config.values():
            yield from _modules(value)
    elif isinstance(config, list):
        for value in config:
            yield from _modules(value)


def test_a_sequence_model_is_verified_by_its_logits(task, tmp_path):
    (artefact,) = export(task, tmp_path / "out", ["keras"])["artefacts"]
    assert artefact["max_abs_diff"] < 1e-4
    assert artefact["same_answers"] is None
    assert artefact["signatures"]["model"] == {
        "inputs": {"source_ids": "int32 [-1, -1]", "target_ids": "int32 [-1, -1]"},
        "outputs": {"logits": f"float32 [-1, -1, {task.model.target_vocab_size}]"},
    }
    with zipfile.ZipFile(tmp_path / "out" / "model.keras") as file:
        config = json.loads(file.read("config.json"))
    modules = set(_modules(config))
    assert len(modules) > 1
    assert {module.partition(".")[0] for module in modules} == {"keras"}


@pytest.mark.parametrize(
    "options",
    [
        {"norm": "post", "activation": "gelu", "attention_bias": True},
        {"norm": "pre", "positions": "learned", "tie_output": False, "share_embeddings": True},
        {"norm": "pre", "activation": "gelu_tanh"},
        {"output_bias": True, "scale_embeddings": False, "positions": "sinusoidal_halves"},
        {"output_bias": True, "tie_output": False, "embedding_norm": True, "activation": "silu"},
    ],
)
def test_every_option_of_the_transformer(task, options):
    sizes = {"width": 12, "num_heads": 3, "feed_forward_width": 20, "max_length": 20}
    blocks = {"num_encoder_blocks": 2, "num_decoder_blocks": 1}
    model = Transformer(60, 60, **sizes, **blocks, **options)
    for i, variable in enumerate(model.trainable_variables):
        variable.assign_add(np.random.default_rng(i).normal(0, 0.2, variable.shape))
    made = Seq2Seq(model, task.source_tokenizer)
    source_ids, target_ids = np.array([[5, 9, 7, 3], [8, 3, 0, 0]]), np.array([[2, 6], [2, 9]])
    portable = portable_model(made)
    found = portable({"source_ids": source_ids, "target_ids": target_ids})["logits"]
    np.testing.assert_allclose(found, model([source_ids, target_ids]), atol=2e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"attention": "luong", "score": "general", "num_encoder_layers": 2, "residual": True},
        {"attention": "luong", "score": "dot", "cell": "lstm", "num_decoder_layers": 2},
        {"attention": "luong", "score": "concat", "bidirectional": "first", "tie_output": False},
        {"attention": "none", "reset_after": False, "initial_state": "last"},
        {"attention": "none", "initial_state": "zero", "bidirectional": "none"},
    ],
)
def test_recurrent_models_that_attend_after_the_cell(task, options, tmp_path):
    model = RNNAttention(60, 40, width=12, max_length=20, **options)
    for i, variable in enumerate(model.trainable_variables):
        variable.assign_add(np.random.default_rng(i).normal(0, 0.2, variable.shape))
    made = Seq2Seq(model, task.source_tokenizer, task.target_tokenizer)
    portable_model(made).save(tmp_path / "model.keras")
    source_ids, target_ids = np.array([[5, 9, 7, 3], [8, 3, 0, 0]]), np.array([[2, 6], [2, 9]])
    portable = keras.models.load_model(tmp_path / "model.keras")
    found = portable({"source_ids": source_ids, "target_ids": target_ids})["logits"]
    np.testing.assert_allclose(found, model([source_ids, target_ids]), atol=2e-5)


def test_it_learns_like_any_model(task):
    portable = portable_model(task)
    portable.compile("adam", {"logits": keras.losses.SparseCategoricalCrossentropy(True)})
    rng = np.random.default_rng(3)
    inputs = {name: rng.integers(4, 30, (16, 5)) for name in ("source_ids", "target_ids")}
    labels = {"logits": rng.integers(4, 30, (16, 5))}
    losses = portable.fit(inputs, labels, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "Keras has no recurrent layer with attention"),
        ({"attention": "luong", "layer_norm": True}, "neither layer_norm"),
    ],
)
def test_what_has_no_such_form_says_why(tmp_path, task, options, reason):
    model = RNNAttention(60, 40, width=8, max_length=20, **options)
    recurrent = Seq2Seq(model, task.source_tokenizer, task.target_tokenizer)
    recurrent.examples = task.examples
    message = (
        f"the format keras has only Keras's own layers, and this model needs others: .*{reason}"
    )
    with pytest.raises(UserError, match=message):
        export(recurrent, tmp_path / "out", ["keras"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [None, "classify", "fill_mask"])
def test_nothing_is_said_that_the_model_makes_no_use_of(kind, task, tmp_path):
    """Keras 3.15 writes these; earlier versions refuse a file that has them."""
    write_keras(make(kind)[0] if kind else task, tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        config = file.read("config.json").decode()
    for name in ("sliding_window", "use_gate", "quantization_config", "optional"):
        assert f'"{name}"' not in config
    operations = [
        layer["config"]
        for layer in json.loads(config)["config"]["layers"]
        if layer["module"].startswith("keras.src.ops")
    ]
    assert operations
    assert not any("name" in config for config in operations)


def test_what_is_too_long_is_cut(task, tmp_path):
    write_keras(task, tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    source, target = np.full((1, 30), 5), np.full((1, 25), 6)
    cut = np.append(source[0, :19], 3)[np.newaxis]
    found = model({"source_ids": source, "target_ids": target})["logits"]
    np.testing.assert_allclose(found, task.model([cut, target[:, :16]]), atol=2e-5)
