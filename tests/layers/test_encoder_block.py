import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import transformer as reference
from reference import weights

from attention_zoo.layers import EncoderBlock

B, T, H, K, F = 2, 3, 4, 7, 11
D = H * K


def built(**options):
    block = EncoderBlock(H, F, **options)
    block.build((None, None, D))
    return block


@pytest.mark.parametrize("attention_bias", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_agrees_with_the_reference(norm, activation, attention_bias, rng, randomize):
    options = {"norm": norm, "activation": activation}
    block = randomize(built(attention_bias=attention_bias, **options))
    inputs, allowed = rng.normal(size=(B, T, D)), np.array([[True, True, False], [True] * 3])
    expected = reference.encoder_block(
        inputs, weights.encoder_block(block), H, **options, allowed=allowed[:, None]
    )
    output = block(inputs, attention_mask=allowed)
    assert np.abs(output).max() > 1
    assert_allclose(output, expected, atol=1e-5, rtol=1e-5)


def test_returns_the_attention_weights(rng, randomize):
    block, inputs = randomize(built()), rng.normal(size=(B, T, D))
    allowed = np.broadcast_to(np.tril(np.ones((T, T), bool)), (B, T, T))
    output, shares = block(inputs, attention_mask=allowed, return_weights=True)
    expected = reference.attention(
        inputs, inputs, weights.attention(block.self_attention), H, allowed
    )
    assert_allclose(shares, expected[1], atol=1e-5)
    assert_array_equal(output, block(inputs, attention_mask=allowed))


def test_every_dropout_acts_in_training_only(rng):
    inputs = rng.normal(size=(B, T, D))
    for name in ("dropout", "attention_dropout", "activation_dropout"):
        block = built(**{name: 0.5})
        assert_array_equal(block(inputs), block(inputs))
        assert np.abs(block(inputs, training=True) - block(inputs)).max() > 0.01, name


def test_refuses_an_unknown_norm():
    with pytest.raises(ValueError, match=r"norm must be .* received 'none'"):
        EncoderBlock(H, F, norm="none")
