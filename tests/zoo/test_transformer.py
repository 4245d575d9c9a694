from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from reference import transformer as reference
from reference import weights

from attention_zoo.zoo import MODELS, Transformer

B, T, S, H, K, F, V, W = 2, 4, 5, 3, 6, 7, 13, 11
D = H * K
SOURCE = np.array([[5, 6, 3, 0, 0], [4, 3, 7, 8, 9]], "int32")
TARGET = np.array([[2, 7, 9, 3], [2, 10, 6, 1]], "int32")
CLOSE = {"atol": 1e-5, "rtol": 1e-5}

# The paper's kind and the other: between them every option takes both values.
POST = {
    "width": D,
    "num_heads": H,
    "feed_forward_width": F,
    "num_encoder_blocks": 1,
    "num_decoder_blocks": 2,
    "max_length": 8,
}
PRE = {
    **POST,
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
}
both_kinds = pytest.mark.parametrize("options", [POST, PRE], ids=["post", "pre"])


@pytest.fixture
def model(options, randomize):
    return randomize(Transformer(V, **options))


def paper_parameters(vocab, width, inner, blocks=6):
    """Table 3 of the paper: no biases in attention, one embedding for everything."""
    attention = 4 * width * width
    feed_forward = (width * inner + inner) + (inner * width + width)
    norm = 2 * width
    encoder_block = attention + feed_forward + 2 * norm
    decoder_block = 2 * attention + feed_forward + 3 * norm
    return vocab * width + blocks * (encoder_block + decoder_block)


@pytest.mark.parametrize(
    ("preset", "width", "inner", "exactly", "in_the_paper"),
    [
        ("transformer_base", 512, 2048, 63_045_632, 65e6),
        ("transformer_big", 1024, 4096, 214_171_648, 213e6),
    ],
)
def test_parameters_of_the_paper(preset, width, inner, exactly, in_the_paper):
    model = Transformer.from_preset(preset, source_vocab_size=37_000)
    assert model.count_params() == paper_parameters(37_000, width, inner) == exactly
    # The paper's vocabulary is of "about 37000" and its figures are rounded.
    assert exactly == pytest.approx(in_the_paper, rel=0.04)


@pytest.mark.parametrize("share_embeddings", [True, False])
@pytest.mark.parametrize("tie_output", [True, False])
def test_parameters_of_separate_embeddings_and_output(tie_output, share_embeddings):
    model = Transformer(V, tie_output=tie_output, share_embeddings=share_embeddings, **POST)
    shared = Transformer(V, **POST).count_params()
    own_source = 0 if share_embeddings else V * D
    own_output = 0 if tie_output else D * V
    assert model.count_params() == shared + own_source + own_output


@pytest.mark.parametrize("tie_output", [True, False])
@pytest.mark.parametrize("share_embeddings", [True, False])
@pytest.mark.parametrize(
    "kind",
    [
        {"norm": "post", "positions": "sinusoidal", "activation": "relu"},
        {"norm": "pre", "positions": "learned", "activation": "gelu", "attention_bias": True},
    ],
    ids=["paper", "other"],
)
def test_agrees_with_the_reference(kind, share_embeddings, tie_output, randomize):
    target_vocab = V if share_embeddings else W
    options = {"share_embeddings": share_embeddings, "tie_output": tie_output, **kind}
    model = randomize(Transformer(V, target_vocab, **POST, **options))
    logits = model([SOURCE, TARGET])
    expected = reference.transformer(
        SOURCE, TARGET, weights.transformer(model), H, kind["activation"], kind["norm"]
    )
    assert logits.shape == (B, T, target_vocab)
    assert_allclose(logits, expected, **CLOSE)


@both_kinds
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


@both_kinds
def test_steps_without_reorder_agree_with_the_call(model):
    memory = model.encode(SOURCE)
    cache, expected = model.start(memory, T), model([SOURCE, TARGET])
    for position in range(T):
        logits, cache, _ = model.step(TARGET[:, position, None], position, cache, memory)
        assert_allclose(logits[:, 0], expected[:, position], **CLOSE)


@both_kinds
def test_attention_of_the_call_and_of_the_steps(model):
    attention = model.attention([SOURCE, TARGET]).numpy()
    assert attention.shape == (B, 2, H, T, S)
    assert_allclose(attention.sum(axis=-1), 1, rtol=1e-5)
    assert_array_equal(attention[0, ..., 3:], 0)
    memory = model.encode(SOURCE)
    cache = model.start(memory, T)
    for position in range(T):
        _, cache, step = model.step(TARGET[:, position, None], position, cache, memory)
        assert_allclose(step[:, 0], attention[:, -1, :, position].mean(axis=1), atol=1e-5)


@both_kinds
def test_padding_changes_nothing(model):
    longer = np.pad(SOURCE, [(0, 0), (0, 3)])
    assert_allclose(model([longer, TARGET]), model([SOURCE, TARGET]), **CLOSE)
    more = np.pad(TARGET, [(0, 0), (0, 2)])
    assert_allclose(model([SOURCE, more])[:, :T], model([SOURCE, TARGET]), **CLOSE)


@both_kinds
def test_the_rest_of_the_batch_changes_nothing(model):
    alone = model([SOURCE[:1, :3], TARGET[:1]])
    assert_allclose(model([SOURCE, TARGET])[:1], alone, **CLOSE)


@both_kinds
@pytest.mark.parametrize("changed", range(1, T))
def test_future_tokens_change_no_logit(changed, model):
    other = TARGET.copy()
    other[:, changed:] = 5
    before, after = model([SOURCE, TARGET]).numpy(), model([SOURCE, other]).numpy()
    assert_array_equal(before[:, :changed], after[:, :changed])
    assert np.abs(before - after)[:, changed:].max() > 0.1


@both_kinds
def test_an_empty_source_gives_finite_logits(model):
    assert np.isfinite(model([0 * SOURCE, TARGET]).numpy()).all()


@both_kinds
def test_config_round_trip(model, options):
    twin = Transformer.from_config(model.get_config())
    twin.set_weights(model.get_weights())
    assert {name: twin.get_config()[name] for name in options} == options
    assert_array_equal(twin([SOURCE, TARGET]), model([SOURCE, TARGET]))


@both_kinds
def test_save_and_load(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects=MODELS)
    assert len(loaded.weights) == len(model.weights)
    assert_array_equal(loaded([SOURCE, TARGET]), model([SOURCE, TARGET]))


@both_kinds
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


@both_kinds
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


@both_kinds
@pytest.mark.parametrize("policy", ["of all layers", "of the model"])
def test_mixed_precision(policy, options):
    single = Transformer(V, **options)
    if policy == "of all layers":
        keras.config.set_dtype_policy("mixed_bfloat16")
    mixed = Transformer(V, dtype="mixed_bfloat16", **options)
    mixed.set_weights(single.get_weights())
    assert {weight.dtype for weight in mixed.weights} == {"float32"}
    logits = mixed([SOURCE, TARGET])
    assert logits.dtype == "bfloat16"
    expected = single([SOURCE, TARGET]).numpy()
    assert_allclose(tf.cast(logits, "float32"), expected, atol=0.05, rtol=0.05)
    memory = mixed.encode(SOURCE)
    step, cache, _ = mixed.step(TARGET[:, :1], 0, mixed.start(memory, T), memory)
    assert {tensor.dtype for tensor in cache} == {tf.int32, tf.bfloat16}
    assert_allclose(tf.cast(step[:, 0], "float32"), expected[:, 0], atol=0.05, rtol=0.05)


@both_kinds
def test_one_training_step_changes_every_weight(options, rng):
    model = Transformer(V, **options)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1.0), loss)
    old = model.get_weights()
    model.fit([SOURCE, TARGET], np.roll(TARGET, -1, axis=1), verbose=0)
    for before, weight in zip(old, model.weights, strict=True):
        assert 1e-7 < np.abs(weight.numpy() - before).max() < np.inf, weight.path


@both_kinds
def test_dropout_only_in_training(model, options):
    batch = SOURCE, TARGET
    assert_array_equal(model(batch), model(batch))
    assert np.abs(model(batch, training=True) - model(batch)).max() > 0.1


def test_dropout_and_epsilon_reach_their_layers():
    layers = Transformer(V, **PRE)._flatten_layers()
    epsilons = {layer.epsilon for layer in layers if hasattr(layer, "gamma")}
    assert epsilons == {PRE["epsilon"]}
    rates = Counter(layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout))
    # One encoder block of 2 sub-layers, two decoder blocks of 3, the two embeddings.
    assert rates == {0.2: 2 + 2 * 3 + 2, 0.3: 1 + 2 * 2, 0.4: 1 + 2}


@pytest.mark.parametrize("options", [POST], ids=["post"])
@pytest.mark.parametrize("side", ["source", "target"])
def test_embeddings_pass_through_dropout(side, model):
    before = model([SOURCE, TARGET])
    setattr(model, f"{side}_dropout", lambda hidden: 0 * hidden)
    assert np.abs(model([SOURCE, TARGET]) - before).max() > 0.1


def test_refuses_to_share_embeddings_of_two_vocabularies():
    with pytest.raises(ValueError, match="source_vocab_size=13, target_vocab_size=11"):
        Transformer(V, W, **POST)


def test_refuses_unknown_positions():
    with pytest.raises(ValueError, match=r"positions must be one of .*sinusoidal.* 'rotary'"):
        Transformer(V, positions="rotary", **POST)


def test_refuses_a_sequence_longer_than_its_positions():
    model = Transformer(V, **POST)
    with pytest.raises(ValueError, match=r"source_position has max_length=8 .* of 9"):
        model([np.ones((1, 9), "int32"), TARGET[:1]])
    with pytest.raises(ValueError, match=r"target_position has max_length=8 .* of 9"):
        model([SOURCE[:1], np.ones((1, 9), "int32")])
