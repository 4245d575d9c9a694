import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.layers import AddNorm

RESIDUAL = np.array([[[1, 2, 3, 6]]], "float32")
OUTPUT = np.array([[[0, 1, 4, 1]]], "float32")


def test_post_norm_by_hand():
    # The sum is 1 3 7 7: mean 4.5, variance (12.25 + 2.25 + 6.25 + 6.25) / 4 = 6.75.
    add_norm = AddNorm(norm="post", epsilon=0.0)
    expected = np.array([-3.5, -1.5, 2.5, 2.5]) / np.sqrt(6.75)
    assert_allclose(add_norm(RESIDUAL, OUTPUT), [[expected]], rtol=1e-6)
    assert_array_equal(add_norm.before(RESIDUAL), RESIDUAL)


def test_pre_norm_by_hand():
    # Mean 3, variance (4 + 1 + 0 + 9) / 4 = 3.5.
    add_norm = AddNorm(norm="pre", epsilon=0.0)
    assert_array_equal(add_norm(RESIDUAL, OUTPUT), [[[1, 3, 7, 7]]])
    expected = np.array([-2, -1, 0, 3]) / np.sqrt(3.5)
    assert_allclose(add_norm.before(RESIDUAL), [[expected]], rtol=1e-6)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_the_use_the_docstring_shows(norm):
    add_norm = AddNorm(norm=norm)
    output = add_norm(RESIDUAL, 2 * add_norm.before(RESIDUAL))
    assert output.shape == (1, 1, 4)
    assert len(add_norm.weights) == 2


def test_scale_offset_and_epsilon():
    add_norm = AddNorm(epsilon=2.25)
    add_norm.build((1, 1, 4))
    add_norm.set_weights([np.array([1, 2, 3, 4]), np.array([0, 0, 10, 0])])
    # Variance 6.75 + 2.25 = 9.
    expected = [-3.5 / 3, -3 / 3, 10 + 7.5 / 3, 10 / 3]
    assert_allclose(add_norm(RESIDUAL, OUTPUT), [[expected]], rtol=1e-6)


def test_dropout_spares_the_residual():
    total = AddNorm(norm="pre", dropout=0.5)(
        np.full((2, 30, 4), 10.0, "float32"), np.ones((2, 30, 4), "float32"), training=True
    )
    assert_array_equal(np.unique(total), [10, 12])


def test_refuses_an_unknown_norm():
    with pytest.raises(ValueError, match=r"norm must be .* received 'rms'"):
        AddNorm(norm="rms")
