"""What holds for every sequence-to-sequence model; a new kind needs an entry in `KINDS`."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.zoo import MODELS, RNNAttention, Transformer

B, T, S, V, W = 2, 4, 5, 13, 11
SOURCE = np.array([[5, 6, 3, 0, 0], [4, 3, 7, 8, 9]], "int32")
TARGET = np.array([[2, 7, 9, 3], [2, 10, 6, 1]], "int32")
CLOSE = {"atol": 1e-5, "rtol": 1e-5}

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


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture
def options(kind):
    return kind[1]


@pytest.fixture
def make(kind):
    model_class, options = kind
    return lambda **more: model_class(V, **options, **more)


@pytest.fixture
def model(make, randomize):
    return randomize(make())


@pytest.mark.parametrize("name", ["RNNAttention", "Transformer"])
def test_every_argument_has_a_value_that_is_no_default(name):
    given = [options for cls, options in KINDS.values() if cls is MODELS[name]]
    arguments = inspect.signature(MODELS[name].__init__).parameters.values()
    for argument in arguments:
        if argument.name not in ("self", "source_vocab_size", "kwargs"):
            values = [options.get(argument.name, argument.default) for options in given]
            assert any(value != argument.default for value in values), argument.name


@pytest.mark.parametrize("hypotheses", [1, 3])
def test_steps_agree_with_the_call_whatever_the_parents(hypotheses, model, rng):
    vocab, length = model.target_vocab_size, 6
    memory = model.encode(SOURCE)
    cache = model.start(memory, length, hypotheses)
    sources = np.repeat(SOURCE, hypotheses, axis=0)
    history = np.zeros((B, hypotheses, 0), "int32")
    for position in range(length):
        tokens = rng.integers(1, vocab, (B, hypotheses), "int32")
        history = np.concatenate([history, tokens[:, :, None]], axis=2)
        logits, cache, _ = model.step(tokens, position, cache, memory)
        expected = model([sources, history.reshape(B * hypotheses, -1)])[:, -1]
        assert_allclose(logits, expected.numpy().reshape(B, hypotheses, vocab), **CLOSE)
        parents = rng.integers(0, hypotheses, (B, hypotheses), "int32")
        history = np.take_along_axis(history, parents[:, :, None], axis=1)
        cache = model.reorder(cache, parents)


def test_steps_without_reorder_agree_with_the_call(model):
    memory = model.encode(SOURCE)
    cache, expected = model.start(memory, T), model([SOURCE, TARGET])
    for position in range(T):
        logits, cache, _ = model.step(TARGET[:, position, None], position, cache, memory)
        assert_allclose(logits[:, 0], expected[:, position], **CLOSE)


def test_attention_of_the_call_and_of_the_steps(model):
    if not model.attends:
        with pytest.raises(ValueError, match="no attention weights"):
            model.attention_weights([SOURCE, TARGET])
        _, _, step = model.step(
            TARGET[:, :1], 0, model.start(model.encode(SOURCE), T), model.encode(SOURCE)
        )
        assert_array_equal(step, np.zeros((B, 1, S)))
        return
    attention = model.attention_weights([SOURCE, TARGET]).numpy()
    assert attention.shape[0] == B
    assert attention.shape[3:] == (T, S)
    assert_allclose(attention.sum(axis=-1), 1, rtol=1e-5)
    assert_array_equal(attention[0, ..., 3:], 0)
    memory = model.encode(SOURCE)
    cache = model.start(memory, T)
    for position in range(T):
        _, cache, step = model.step(TARGET[:, position, None], position, cache, memory)
        assert_allclose(step[:, 0], attention[:, -1, :, position].mean(axis=1), atol=1e-5)


def test_padding_changes_nothing(model):
    longer = np.pad(SOURCE, [(0, 0), (0, 3)])
    assert_allclose(model([longer, TARGET]), model([SOURCE, TARGET]), **CLOSE)
    more = np.pad(TARGET, [(0, 0), (0, 2)])
    assert_allclose(model([SOURCE, more])[:, :T], model([SOURCE, TARGET]), **CLOSE)


def test_the_rest_of_the_batch_changes_nothing(model):
    alone = model([SOURCE[:1, :3], TARGET[:1]])
    assert_allclose(model([SOURCE, TARGET])[:1], alone, **CLOSE)


@pytest.mark.parametrize("changed", range(1, T))
def test_future_tokens_change_no_logit(changed, model):
    other = TARGET.copy()
    other[:, changed:] = 5
    before, after = model([SOURCE, TARGET]).numpy(), model([SOURCE, other]).numpy()
    assert_array_equal(before[:, :changed], after[:, :changed])
    assert np.abs(before - after)[:, changed:].max() > 0.02


def test_an_empty_source_gives_finite_logits(model):
    assert np.isfinite(model([0 * SOURCE, TARGET]).numpy()).all()


def test_config_round_trip(model, options):
    twin = type(model).from_config(model.get_config())
    twin.set_weights(model.get_weights())
    assert {name: twin.get_config()[name] for name in options} == options
    assert_array_equal(twin([SOURCE, TARGET]), model([SOURCE, TARGET]))


def test_save_and_load(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert len(loaded.weights) == len(model.weights)
    assert_array_equal(loaded([SOURCE, TARGET]), model([SOURCE, TARGET]))


def test_building_again_changes_no_weight(model):
    before, logits = model.get_weights(), model([SOURCE, TARGET])
    model.build([(None, None), (None, None)])
    for old, new in zip(before, model.get_weights(), strict=True):
        assert_array_equal(new, old)
    assert_array_equal(model([SOURCE, TARGET]), logits)


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_graph_with_dynamic_shapes(compiled, model):
    ids = tf.TensorSpec((None, None), "int32")
    function = tf.function(
        lambda source, target: model([source, target]),
        input_signature=[ids, ids],
        jit_compile=compiled,
    )
    assert_allclose(function(SOURCE, TARGET), model([SOURCE, TARGET]), **CLOSE)
    short = SOURCE[:1, :3], TARGET[:1, :2]
    assert_allclose(function(*short), model(short), **CLOSE)


def test_steps_in_a_graph_with_dynamic_shapes(model):
    @tf.function(input_signature=[tf.TensorSpec((None, None), "int32")] * 2)
    def steps(source, target):
        hypotheses, length = 3, tf.shape(target)[1]
        memory = model.encode(source)
        cache = model.start(memory, length, hypotheses)
        logits = tf.TensorArray("float32", length)
        for position in tf.range(length):
            tokens = tf.repeat(target[:, position, None], hypotheses, axis=1)
            output, cache, _ = model.step(tokens, position, cache, memory)
            cache = model.reorder(cache, tf.zeros_like(tokens))
            logits = logits.write(position, output[:, 2])
        return tf.transpose(logits.stack(), (1, 0, 2))

    for batch in ((SOURCE, TARGET), (SOURCE[:1, :3], TARGET[:1, :2])):
        assert_allclose(steps(*batch), model(batch), **CLOSE)


@pytest.mark.parametrize("policy", ["of all layers", "of the model"])
def test_mixed_precision(policy, make, options):
    single = make()
    if policy == "of all layers":
        keras.config.set_dtype_policy("mixed_bfloat16")
    mixed = make(dtype="mixed_bfloat16")
    mixed.set_weights(single.get_weights())
    assert {weight.dtype for weight in mixed.weights} == {"float32"}
    logits = mixed([SOURCE, TARGET])
    assert logits.dtype == "bfloat16"
    expected = single([SOURCE, TARGET]).numpy()
    # Layer normalisation of a handful of units magnifies rounding.
    near = 0.5 if options.get("layer_norm") else 0.05
    assert_allclose(tf.cast(logits, "float32"), expected, atol=near, rtol=near)
    memory = mixed.encode(SOURCE)
    step, cache, _ = mixed.step(TARGET[:, :1], 0, mixed.start(memory, T), memory)
    assert {tensor.dtype for tensor in cache} <= {tf.int32, tf.bfloat16}
    assert_allclose(tf.cast(step[:, 0], "float32"), expected[:, 0], atol=near, rtol=near)


def test_one_training_step_changes_every_weight(make, rng):
    model = make()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1.0), loss)
    old = model.get_weights()
    model.fit([SOURCE, TARGET], np.roll(TARGET, -1, axis=1), verbose=0)
    assert len(old) == len(model.trainable_weights)
    for before, weight in zip(old, model.trainable_weights, strict=True):
        assert 1e-7 < np.abs(weight.numpy() - before).max() < np.inf, weight.path


def test_dropout_only_in_training(model):
    batch = SOURCE, TARGET
    assert_array_equal(model(batch), model(batch))
    assert np.abs(model(batch, training=True) - model(batch)).max() > 0.1
