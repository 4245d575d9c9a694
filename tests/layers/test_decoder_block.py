import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import transformer as reference
from reference import weights

from attention_zoo.layers import DecoderBlock

B, T, S, H, K, F, E = 2, 3, 5, 4, 7, 11, 6
D = H * K
MEMORY_MASK = np.array([[True] * 5, [True, True, False, True, False]])


def built(**options):
    block = DecoderBlock(H, F, **options)
    block.build((None, None, D), (None, None, E))
    return block


def examples(rng):
    return rng.normal(size=(B, T, D)).astype("float32"), rng.normal(size=(B, S, E))


@pytest.mark.parametrize("attention_bias", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_agrees_with_the_reference(norm, activation, attention_bias, rng, randomize):
    options = {"norm": norm, "activation": activation}
    block = randomize(built(attention_bias=attention_bias, **options))
    inputs, memory = examples(rng)
    allowed = np.array([[True, False, True], [True] * 3])
    expected = reference.decoder_block(
        inputs,
        memory,
        weights.decoder_block(block),
        H,
        **options,
        allowed=allowed[:, None],
        memory_allowed=MEMORY_MASK[:, None],
    )
    output = block(inputs, memory, attention_mask=allowed, memory_mask=MEMORY_MASK)
    assert_allclose(output, expected, atol=1e-5, rtol=1e-5)


def test_memory_mask_over_pairs(rng, randomize):
    block, (inputs, memory) = randomize(built()), examples(rng)
    allowed = rng.random((B, T, S)) < 0.6
    allowed[:, :, 2] = True
    expected = reference.decoder_block(
        inputs, memory, weights.decoder_block(block), H, memory_allowed=allowed
    )
    assert_allclose(block(inputs, memory, memory_mask=allowed), expected, atol=1e-5, rtol=1e-5)


def test_returns_the_cross_attention_weights(rng, randomize):
    block, (inputs, memory) = randomize(built()), examples(rng)
    output, shares = block(inputs, memory, memory_mask=MEMORY_MASK, return_weights=True)
    assert shares.shape == (B, H, T, S)
    assert_allclose(shares.numpy().sum(axis=-1), 1, rtol=1e-6)
    assert_array_equal(
        shares.numpy()[~np.broadcast_to(MEMORY_MASK[:, None, None], shares.shape)], 0
    )
    assert_array_equal(output, block(inputs, memory, memory_mask=MEMORY_MASK))


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_steps_agree_with_the_call(norm, rng, randomize):
    block, (inputs, memory) = randomize(built(norm=norm)), examples(rng)
    expected, expected_shares = block(inputs, memory, memory_mask=MEMORY_MASK, return_weights=True)
    projected = block.cross_attention.project_memory(memory)
    cache = block.self_attention.start_cache(B, T)
    for t in range(T):
        past = np.broadcast_to(np.arange(T) <= t, (B, 1, T))
        output, cache, shares = block.step(
            inputs[:, t : t + 1], cache, t, past, projected, MEMORY_MASK
        )
        assert_allclose(output[:, 0], expected[:, t], atol=1e-5, rtol=1e-5)
        assert_allclose(shares[:, :, 0], expected_shares[:, :, t], atol=1e-5)


def test_every_dropout_acts_in_training_only(rng):
    inputs, memory = examples(rng)
    for name in ("dropout", "attention_dropout", "activation_dropout"):
        block = built(**{name: 0.5})
        assert_array_equal(block(inputs, memory), block(inputs, memory))
        assert np.abs(block(inputs, memory, training=True) - block(inputs, memory)).max() > 0.01
