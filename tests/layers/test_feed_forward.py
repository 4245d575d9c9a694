import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import transformer as reference
from reference import weights

from attention_zoo.layers import FeedForward

INNER = [[1, -1, 0], [2, 1, -1]], [0, 0.5, 3]
OUTER = [[1, 0], [2, 1], [0, -1]], [0.5, 0]


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        # Inner: 1 - 2 = -1, -1 - 1 + 0.5 = -1.5, 3 + 1 = 4.
        ("relu", [0.5, -4]),
        # gelu(-1) = -0.15865525, gelu(-1.5) = -0.10021081, gelu(4) = 3.99987331.
        ("gelu", [0.5 - 0.15865525 - 2 * 0.10021081, -0.10021081 - 3.99987331]),
    ],
)
def test_by_hand(activation, expected):
    layer = FeedForward(3, activation)
    layer.build((None, None, 2))
    layer.set_weights([np.array(array) for array in (*INNER, *OUTER)])
    assert_allclose(layer(np.array([[[1, -1]]], "float32")), [[expected]], rtol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_agrees_with_the_reference(activation, rng, randomize):
    layer = FeedForward(7, activation)
    layer.build((None, None, 4))
    inputs = rng.normal(size=(2, 3, 4))
    expected = reference.feed_forward(inputs, weights.feed_forward(randomize(layer)), activation)
    assert_allclose(layer(inputs), expected, atol=1e-5)


def test_takes_any_keras_activation_and_keeps_it():
    layer = FeedForward(7, keras.activations.silu)
    assert FeedForward.from_config(layer.get_config()).activation is keras.activations.silu


def test_dropout_is_on_the_inner_activations():
    layer = FeedForward(1, dropout=0.5)
    layer.build((None, None, 2))
    layer.set_weights([np.ones((2, 1)), np.zeros(1), np.ones((1, 2)), np.ones(2)])
    output = layer(np.ones((3, 40, 2), "float32"), training=True)
    assert_array_equal(np.unique(output), [1, 5])
