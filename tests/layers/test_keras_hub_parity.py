"""The blocks against those of KerasHub, an implementation by others, with copied weights."""

import keras_hub
import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference import weights

from attention_zoo.layers import DecoderBlock, EncoderBlock

B, T, S, H, K, F, E = 2, 3, 5, 4, 7, 11, 6
D = H * K
TOKENS = np.array([[True, True, False], [True] * 3])
MEMORY_TOKENS = np.array([[True] * 5, [True, True, True, True, False]])

every_kind = pytest.mark.parametrize("norm", ["post", "pre"])
every_activation = pytest.mark.parametrize("activation", ["relu", "gelu"])


def copy_attention(target, source):
    """From one kernel (D, H K) a projection to kernels (D, H, K) and biases (H, K)."""
    parts = weights.attention(source)
    copies = []
    for name in ("query", "key", "value"):
        copies += [parts[name].reshape(-1, H, K), parts[f"{name}_bias"].reshape(H, K)]
    target.set_weights([*copies, parts["output"].reshape(H, K, D), parts["output_bias"]])


def copy_block(target, source):
    copy_attention(target._self_attention_layer, source.self_attention)
    pairs = [
        (target._self_attention_layer_norm, source.self_attention_add_norm),
        (target._feedforward_intermediate_dense, source.feed_forward.inner),
        (target._feedforward_output_dense, source.feed_forward.outer),
        (target._feedforward_layer_norm, source.feed_forward_add_norm),
    ]
    if isinstance(source, DecoderBlock):
        copy_attention(target._cross_attention_layer, source.cross_attention)
        pairs.append((target._cross_attention_layer_norm, source.cross_attention_add_norm))
    for to, layer in pairs:
        to.set_weights(layer.get_weights())
    assert target.count_params() == source.count_params()


def theirs(layer_class, norm, activation):
    return layer_class(
        F, H, activation=activation, layer_norm_epsilon=1e-3, normalize_first=norm == "pre"
    )


@every_kind
@every_activation
@pytest.mark.parametrize("mask", [None, TOKENS], ids=["no mask", "mask"])
def test_encoder_block(mask, activation, norm, rng, randomize):
    block = EncoderBlock(H, F, activation=activation, norm=norm, epsilon=1e-3)
    block.build((None, None, D))
    other = theirs(keras_hub.layers.TransformerEncoder, norm, activation)
    other.build((None, None, D))
    copy_block(other, randomize(block))
    inputs = rng.normal(size=(B, T, D)).astype("float32")
    expected = other(inputs, padding_mask=mask)
    assert_allclose(block(inputs, attention_mask=mask), expected, atol=1e-5, rtol=1e-5)


@every_kind
@every_activation
@pytest.mark.parametrize("masked", [False, True])
def test_decoder_block(masked, activation, norm, rng, randomize):
    block = DecoderBlock(H, F, activation=activation, norm=norm, epsilon=1e-3)
    block.build((None, None, D), (None, None, E))
    other = theirs(keras_hub.layers.TransformerDecoder, norm, activation)
    other.build((None, None, D), (None, None, E))
    copy_block(other, randomize(block))
    inputs, memory = (rng.normal(size=(B, *shape)).astype("float32") for shape in ((T, D), (S, E)))
    mask, memory_mask = (TOKENS, MEMORY_TOKENS) if masked else (None, None)
    expected = other(inputs, memory, decoder_padding_mask=mask, encoder_padding_mask=memory_mask)
    output = block(inputs, memory, attention_mask=mask, memory_mask=memory_mask)
    assert_allclose(output, expected, atol=1e-5, rtol=1e-5)
