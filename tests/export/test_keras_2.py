"""Files of Keras 2, read by tf_keras, give the numbers of the model."""

import json

import h5py
import numpy as np
import pytest
import tf_keras
from reference.encoder_tasks import ENCODER, KINDS, TEXTS, TOKENIZER, make
from reference.sweeps import quick_and_slow

from attention_zoo.errors import UserError
from attention_zoo.export.expected import expected_of
from attention_zoo.export.export import export
from attention_zoo.export.keras_2 import write_h5
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.tasks.embed.task import Embed
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.zoo import Bert, BertClassifier, RNNAttention, Transformer


def read_back(task, examples, path):
    """The numbers of the file for examples, and those of the model."""
    write_h5(task, path)
    model = tf_keras.models.load_model(path, compile=False)
    expected = expected_of(task, examples)
    inputs = {
        name: np.pad(expected[name], [(0, 0), (0, length - expected[name].shape[1])])
        for name, (_, length) in model.input_shape.items()
    }
    found, numbers = model(inputs)[task.compared.output].numpy(), expected["numbers"]
    assert len(numbers) >= len(examples)  # windows of a long text are several
    return found[:, : numbers.shape[1]], numbers


@pytest.mark.parametrize("kind", quick_and_slow(list(KINDS), ["fill_mask", "answer"]))
def test_every_task_of_an_encoder(kind, tmp_path):
    task, examples = make(kind)
    np.testing.assert_allclose(*read_back(task, examples, tmp_path / "model.h5"), atol=1e-5)


@pytest.mark.parametrize("pooling", quick_and_slow(["cls", "max", "mean"], ["mean"]))
def test_every_pooling(pooling, tmp_path, randomize):
    task = Embed(randomize(Bert(**ENCODER)), TOKENIZER, pooling, normalize=False)
    examples = [(text,) for text in TEXTS]
    np.testing.assert_allclose(*read_back(task, examples, tmp_path / "model.h5"), atol=1e-5)


@pytest.mark.parametrize("activation", quick_and_slow(["gelu", "gelu_tanh", "relu"], ["relu"]))
def test_every_activation(activation, tmp_path, randomize):
    model = randomize(BertClassifier(2, {**ENCODER, "activation": activation}))
    examples = [(text, "x") for text in TEXTS]
    task = Classify(model, TOKENIZER, ["x", "y"])
    np.testing.assert_allclose(*read_back(task, examples, tmp_path / "model.h5"), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(
            {"norm": "post", "activation": "gelu", "attention_bias": True}, marks=pytest.mark.slow
        ),
        {
            "norm": "pre",
            "positions": "learned",
            "tie_output": False,
            "output_bias": True,
            "embedding_norm": True,
        },
        pytest.param(
            {"norm": "pre", "activation": "gelu_tanh", "output_bias": True},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_every_option_of_the_transformer(options, task, examples, tmp_path, randomize):
    sizes = {"width": 12, "num_heads": 3, "feed_forward_width": 20, "max_length": 20}
    blocks = {"num_encoder_blocks": 2, "num_decoder_blocks": 1}
    model = randomize(Transformer(60, 60, **sizes, **blocks, **options))
    made = Seq2Seq(model, task.source_tokenizer, max_source_length=18, max_target_length=17)
    np.testing.assert_allclose(*read_back(made, examples, tmp_path / "model.h5"), atol=1e-4)


def test_an_export_is_verified_by_tf_keras(task, tmp_path):
    (artefact,) = export(task, tmp_path / "out", ["h5"])["artefacts"]
    assert artefact["max_abs_diff"] < 1e-4
    assert artefact["same_answers"] is None
    assert artefact["signatures"]["model"]["inputs"] == {
        "source_ids": "int32 [-1, 20]",
        "target_ids": "int32 [-1, 16]",
    }
    with h5py.File(tmp_path / "out" / "model.h5") as file:
        config = json.loads(file.attrs["model_config"])
    kinds = {layer["class_name"] for layer in config["config"]["layers"]}
    assert "MultiHeadAttention" in kinds
    assert all(hasattr(tf_keras.layers, kind) for kind in kinds)
    # Arguments that tf_keras 2.21 writes, and its earlier versions refuse.
    said = {name for layer in config["config"]["layers"] for name in layer["config"]}
    assert not said & {"optional", "softmax_robust_masking"}


def test_it_learns_like_any_model(tmp_path):
    task, _ = make("classify")
    write_h5(task, tmp_path / "model.h5")
    model = tf_keras.models.load_model(tmp_path / "model.h5")
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(), {"logits": loss})
    rng = np.random.default_rng(3)
    ids = rng.integers(1, 10, (32, 24))
    inputs = {"token_ids": ids, "mask": np.ones_like(ids), "segment_ids": np.zeros_like(ids)}
    labels = {"logits": ids[:, 1] % 3}
    losses = model.fit(inputs, labels, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    "options",
    [
        {"attention": "luong", "score": "dot", "share_embeddings": True},
        pytest.param(
            {
                "attention": "luong",
                "score": "general",
                "cell": "lstm",
                "num_encoder_layers": 2,
                "num_decoder_layers": 2,
                "residual": True,
            },
            marks=pytest.mark.slow,
        ),
        {"attention": "luong", "score": "concat", "initial_state": "zero", "reset_after": False},
        {"attention": "none", "initial_state": "last", "bidirectional": "none"},
    ],
    ids=["dot", "general, lstm, deep", "concat", "none"],
)
def test_recurrent_models(options, tmp_path, randomize):
    tokenizer = CharacterTokenizer("abcdefgh")
    model = randomize(RNNAttention(tokenizer.vocab_size, width=8, max_length=20, **options))
    task = Seq2Seq(model, tokenizer, max_source_length=12, max_target_length=11)
    examples = [("abc", "cba"), ("defghab", "ab"), ("a", "hgfedcba")]
    np.testing.assert_allclose(*read_back(task, examples, tmp_path / "model.h5"), atol=1e-5)


def test_what_feeds_on_itself_has_no_such_file(task, tmp_path):
    model = RNNAttention(60, 40, width=8, max_length=20)
    recurrent = Seq2Seq(model, task.source_tokenizer, task.target_tokenizer)
    recurrent.examples = task.examples
    with pytest.raises(UserError, match="the format h5 has only Keras's own layers"):
        export(recurrent, tmp_path / "out", ["h5"])


@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.5},
        {"dropout": 0.0, "recurrent_dropout": 0.5, "cell": "lstm"},
        {"dropout": 0.5, "variational": True},
    ],
    ids=["dropout", "recurrent", "variational"],
)
def test_dropout_is_on_in_training_alone(options, tmp_path, randomize):
    tokenizer = CharacterTokenizer("abcdefgh")
    sizes = {"width": 8, "max_length": 20, "attention": "luong", "bidirectional": "none"}
    model = randomize(RNNAttention(tokenizer.vocab_size, **sizes, **options))
    write_h5(Seq2Seq(model, tokenizer), tmp_path / "model.h5")
    copy = tf_keras.models.load_model(tmp_path / "model.h5", compile=False)
    # Two examples that are alike, each of one letter again and again.
    inputs = {"source_ids": np.full((2, 20), 6), "target_ids": np.full((2, 20), 7)}
    answered, trained = (copy(inputs, training=on)["logits"] for on in (False, True))
    np.testing.assert_allclose(answered[0], answered[1], atol=1e-6)
    assert np.abs(trained[0] - trained[1]).max() > 0.01
    shapes = [layer.noise_shape for layer in copy.layers if "Dropout" in type(layer).__name__]
    assert [shape and list(shape) for shape in shapes] == (
        [[None, 1, None] if "variational" in options else None] * 3
    )
    rate = options.get("recurrent_dropout", 0.0)
    cells = [layer for layer in copy.layers if hasattr(layer, "recurrent_dropout")]
    assert [layer.recurrent_dropout for layer in cells] == [rate] * 2
