"""What holds for every sequence-to-sequence model; a new kind needs an entry in `KINDS`."""

import inspect

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_array_equal

from attention_zoo.testing import SEQ2SEQ_CHECKS, ModelCase
from attention_zoo.testing.check import copy_of
from attention_zoo.testing.seq2seq_models import attention_of_steps_is_that_of_the_call
from attention_zoo.zoo import MODELS, RNNAttention, Transformer

B, T, S, V, W = 2, 4, 5, 13, 11
SOURCE = np.array([[5, 6, 3, 0, 0], [4, 3, 7, 8, 9]], "int32")
TARGET = np.array([[2, 7, 9, 3], [2, 10, 6, 1]], "int32")

# Between the kinds of a model every option takes every value.
KINDS = {
    "transformer, post": (
        Transformer,
        {
            "width": 18,
            "num_heads": 3,
            "feed_forward_width": 7,
            "num_encoder_blocks": 1,
            "num_decoder_blocks": 2,
            "max_length": 8,
        },
    ),
    "transformer, pre": (
        Transformer,
        {
            "width": 18,
            "num_heads": 3,
            "feed_forward_width": 7,
            "num_encoder_blocks": 1,
            "num_decoder_blocks": 2,
            "max_length": 8,
            "target_vocab_size": W,
            "share_embeddings": False,
            "tie_output": False,
            "output_bias": True,
            "scale_embeddings": False,
            "embedding_norm": True,
            "positions": "learned",
            "activation": "gelu",
            "norm": "pre",
            "dropout": 0.2,
            "attention_dropout": 0.3,
            "activation_dropout": 0.4,
            "attention_bias": True,
            "epsilon": 1e-3,
        },
    ),
    "transformer, ssru": (
        Transformer,
        {
            "width": 18,
            "num_heads": 3,
            "feed_forward_width": 7,
            "num_encoder_blocks": 1,
            "num_decoder_blocks": 2,
            "output_bias": True,
            "positions": "sinusoidal_marian",
            "max_length": 8,
            "decoder_recurrence": "ssru",
            "attention_bias": True,
        },
    ),
    "rnn, additive": (RNNAttention, {"width": 6, "share_embeddings": True}),
    "rnn, luong": (
        RNNAttention,
        {
            "target_vocab_size": W,
            "width": 6,
            "embedding_width": 10,
            "reset_after": False,
            "num_encoder_layers": 2,
            "num_decoder_layers": 2,
            "bidirectional": "first",
            "initial_state": "last",
            "attention": "luong",
            "dropout": 0.2,
            "recurrent_dropout": 0.3,
            "max_length": 9,
        },
    ),
    "rnn, fed": (
        RNNAttention,
        {
            "width": 8,
            "embedding_width": 6,
            "cell": "lstm",
            "num_encoder_layers": 2,
            "num_decoder_layers": 3,
            "residual": True,
            "attention": "luong",
            "score": "concat",
            "input_feeding": True,
            "tie_output": True,
            "variational": True,
            "layer_norm": True,
        },
    ),
    "rnn, stacked additive": (
        RNNAttention,
        {
            "width": 6,
            "cell": "lstm",
            "num_decoder_layers": 2,
            "residual": True,
            "initial_state": "zero",
            "dropout": 0.3,
            "recurrent_dropout": 0.2,
        },
    ),
    "rnn, none": (
        RNNAttention,
        {"width": 5, "bidirectional": "none", "attention": "none", "fused": False},
    ),
}


_SLOW = ("rnn, stacked additive", "rnn, luong")


@pytest.fixture(
    scope="module",
    params=[pytest.param(kind, marks=[pytest.mark.slow] * (kind in _SLOW)) for kind in KINDS],
)
def kind(request):
    return KINDS[request.param]


@pytest.fixture
def options(kind):
    return kind[1]


@pytest.fixture(scope="module")
def case(kind):
    model_class, options = kind
    # Layer normalisation of a handful of units magnifies rounding.
    near = 0.5 if options.get("layer_norm") else 0.05
    return ModelCase(lambda: model_class(V, **options), near)


@pytest.fixture
def model(case):
    return case.model


@pytest.mark.parametrize("name", ["RNNAttention", "Transformer"])
def test_every_argument_has_a_value_that_is_no_default(name):
    given = [options for cls, options in KINDS.values() if cls is MODELS[name]]
    arguments = inspect.signature(MODELS[name].__init__).parameters.values()
    for argument in arguments:
        if argument.name not in ("self", "source_vocab_size", "kwargs"):
            values = [options.get(argument.name, argument.default) for options in given]
            assert any(value != argument.default for value in values), argument.name


@pytest.mark.parametrize("check", SEQ2SEQ_CHECKS)
def test_model(check, case):
    if not check.applies(case):
        assert (check, case.model.attends) == (attention_of_steps_is_that_of_the_call, False)
        return
    check(case)


def test_no_attention_of_a_model_without(model):
    if model.attends:
        return
    with pytest.raises(ValueError, match="no attention weights"):
        model.attention_weights([SOURCE, TARGET])
    _, _, step = model.step(
        TARGET[:, :1], 0, model.start(model.encode(SOURCE), T), model.encode(SOURCE)
    )
    assert_array_equal(step, np.zeros((B, 1, S)))


def test_values_of_the_configuration(model, options):
    assert {name: model.get_config()[name] for name in options} == options
    assert model.non_trainable_weights == []


def test_caches_of_mixed_precision(case):
    mixed = copy_of(case.make(), dtype="mixed_bfloat16")
    memory = mixed.encode(SOURCE)
    _, cache, _ = mixed.step(TARGET[:, :1], 0, mixed.start(memory, T), memory)
    assert {tensor.dtype for tensor in cache} <= {tf.int32, tf.bfloat16}


def test_training_has_dropout(model):
    batch = SOURCE, TARGET
    assert np.abs(model(batch, training=True) - model(batch)).max() > 0.1
