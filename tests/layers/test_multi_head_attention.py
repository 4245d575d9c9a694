import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal
from reference import transformer as reference
from reference import weights

from attention_zoo.layers import MultiHeadAttention

B, T, S, H, K, E = 2, 3, 5, 4, 7, 6
D = H * K
QUERY, MEMORY = (None, None, D), (None, None, E)


def built(*shapes, **options):
    layer = MultiHeadAttention(H, **options)
    layer.build(*shapes)
    return layer


def masks(rng, keys):
    """A mask over keys and one over queries and keys, each query with at least one key."""
    over_keys, over_pairs = rng.random((B, keys)) < 0.6, rng.random((B, T, keys)) < 0.6
    over_keys[:, 0] = over_pairs[:, :, 0] = True
    return {"none": None, "keys": over_keys, "pairs": over_pairs}


def broadcastable(mask):
    return True if mask is None else mask[:, None] if mask.ndim == 2 else mask


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("mask", ["none", "keys", "pairs"])
def test_self_attention_agrees_with_the_reference(mask, causal, use_bias, rng, randomize):
    layer = randomize(built(QUERY, use_bias=use_bias))
    inputs, allowed = rng.normal(size=(B, T, D)), masks(rng, T)[mask]
    output, shares = layer(inputs, attention_mask=allowed, causal=causal, return_weights=True)
    allowed = np.logical_and(broadcastable(allowed), reference.causal(T) if causal else True)
    expected = reference.attention(inputs, inputs, weights.attention(layer), H, allowed)
    assert_allclose(output, expected[0], atol=1e-5)
    assert_allclose(shares, expected[1], atol=1e-5)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("mask", ["none", "keys", "pairs"])
def test_cross_attention_agrees_with_the_reference(mask, use_bias, rng, randomize):
    layer = randomize(built(QUERY, MEMORY, use_bias=use_bias))
    query, memory = rng.normal(size=(B, T, D)), rng.normal(size=(B, S, E))
    allowed = masks(rng, S)[mask]
    output, shares = layer(query, memory, attention_mask=allowed, return_weights=True)
    expected = reference.attention(
        query, memory, weights.attention(layer), H, broadcastable(allowed)
    )
    assert_allclose(output, expected[0], atol=1e-5)
    assert_allclose(shares, expected[1], atol=1e-5)


def test_weights_sum_to_one_over_allowed_keys_and_are_zero_elsewhere(rng, randomize):
    layer = randomize(built(QUERY))
    allowed = masks(rng, T)["keys"]
    _, shares = layer(
        rng.normal(size=(B, T, D)), attention_mask=allowed, causal=True, return_weights=True
    )
    allowed = np.broadcast_to(allowed[:, None, None] & reference.causal(T), (B, H, T, T))
    shares = ops.convert_to_numpy(shares)
    assert_array_equal(shares[~allowed], 0)
    assert_allclose(np.where(allowed, shares, 0).sum(axis=-1), 1, rtol=1e-6)


def test_a_fully_masked_row_gives_finite_numbers(rng, randomize):
    layer = randomize(built(QUERY, MEMORY))
    allowed = np.array([[False] * S, [True] * S])
    output, shares = layer(
        rng.normal(size=(B, T, D)),
        rng.normal(size=(B, S, E)),
        attention_mask=allowed,
        return_weights=True,
    )
    assert np.isfinite(output.numpy()).all()
    assert_allclose(shares[0], 1 / S)


def test_steps_agree_with_the_call(rng, randomize):
    layer = randomize(built(QUERY))
    inputs = rng.normal(size=(B, T, D)).astype("float32")
    expected = layer(inputs, causal=True)
    cache = layer.start_cache(B, T)
    for t in range(T):
        past = np.broadcast_to(np.arange(T) <= t, (B, 1, T))
        output, cache = layer.step(inputs[:, t : t + 1], cache, t, past)
        assert_allclose(output[:, 0], expected[:, t], atol=1e-5)


def test_steps_of_several_hypotheses_share_a_cache(rng, randomize):
    # Hypotheses side by side, each with its own past: as if each were a sentence.
    layer, hypotheses = randomize(built(QUERY)), 5
    inputs = rng.normal(size=(B, hypotheses, T, D)).astype("float32")
    expected = layer(inputs.reshape(B * hypotheses, T, D), causal=True).numpy()
    cache = layer.start_cache(B, T * hypotheses)
    slot = np.arange(T * hypotheses)
    for t in range(T):
        own = slot % hypotheses == np.arange(hypotheses)[:, None]
        past = np.broadcast_to(own & (slot < (t + 1) * hypotheses), (B, *own.shape))
        output, cache = layer.step(inputs[:, :, t], cache, t * hypotheses, past)
        assert_allclose(output, expected.reshape(inputs.shape)[:, :, t], atol=1e-5)


def test_fused_projections_are_drawn_like_separate_ones():
    # Glorot's uniform on a square matrix: variance 2 / (width + width).
    layer = MultiHeadAttention(2)
    layer.build((None, None, 128))
    assert np.var(layer.query_key_value.kernel.numpy()) == pytest.approx(1 / 128, rel=0.05)


def test_dropout_only_in_training(rng):
    layer = MultiHeadAttention(H, dropout=0.5)
    inputs = rng.normal(size=(B, T, D))
    assert_allclose(layer(inputs), layer(inputs))
    assert np.abs(layer(inputs, training=True) - layer(inputs)).max() > 0.01


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match=r"num_heads must divide .* num_heads=4, width=10"):
        MultiHeadAttention(4).build((None, None, 10))


def test_self_and_cross_attention_do_not_mix(rng):
    query, memory = rng.normal(size=(B, T, D)), rng.normal(size=(B, S, E))
    with pytest.raises(ValueError, match="one was built for self-attention, called for cross"):
        built(QUERY, name="one")(query, memory)
    with pytest.raises(ValueError, match="two was built for cross-attention, called for self"):
        built(QUERY, MEMORY, name="two")(query)
