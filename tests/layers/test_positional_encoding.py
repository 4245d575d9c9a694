import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.layers import LearnedPositionalEncoding, SinusoidalPositionalEncoding

BOTH = pytest.mark.parametrize(
    "layer_class", [LearnedPositionalEncoding, SinusoidalPositionalEncoding]
)


def test_sinusoid_by_hand():
    output = SinusoidalPositionalEncoding(max_length=5)(np.full((1, 2, 4), 10, "float32"))
    assert_allclose(
        output, [[[10, 11, 10, 11], [10.841471, 10.540302, 10.01, 10.99995]]], rtol=1e-6
    )


def test_sinusoid_has_no_weights():
    layer = SinusoidalPositionalEncoding(max_length=5)
    layer.build((None, None, 4))
    assert layer.weights == []


def test_learned_rows_are_added():
    layer = LearnedPositionalEncoding(max_length=3)
    layer.build((None, None, 2))
    layer.set_weights([np.array([[1, 2], [3, 4], [5, 6]])])
    output = layer(np.array([[[0, 0], [10, 10]], [[20, 20], [30, 30]]], "float32"))
    assert_array_equal(output, [[[1, 2], [13, 14]], [[21, 22], [33, 34]]])


@BOTH
def test_step_is_one_row_of_the_call(layer_class, rng):
    layer = layer_class(max_length=6)
    inputs = rng.normal(size=(2, 3, 4)).astype("float32")
    zeros = layer(np.zeros((1, 6, 4), "float32")).numpy()
    for position in range(6):
        assert_allclose(layer.step(inputs, position), inputs + zeros[0, position], rtol=1e-6)


@BOTH
def test_max_length_is_the_longest_sequence(layer_class):
    layer = layer_class(max_length=4, name="positions")
    assert layer(np.zeros((2, 4, 6), "float32")).shape == (2, 4, 6)
    with pytest.raises(ValueError, match=r"positions has max_length=4 positions, .* of 5"):
        layer(np.zeros((2, 5, 6), "float32"))


@BOTH
def test_max_length_holds_when_the_length_is_dynamic(layer_class):
    inputs = keras.Input((None, 6))
    model = keras.Model(inputs, layer_class(max_length=4)(inputs))
    with pytest.raises(Exception, match="5"):
        model.predict(np.zeros((2, 5, 6), "float32"), verbose=0)


def test_sinusoid_refuses_odd_widths():
    with pytest.raises(ValueError, match="even width, received width=5"):
        SinusoidalPositionalEncoding(max_length=4)(np.zeros((2, 3, 5), "float32"))
