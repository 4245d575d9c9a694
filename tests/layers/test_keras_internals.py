"""That the private functions of Keras which we use are there, and do what we need."""

import keras
import numpy as np
import pytest

from attention_zoo.layers import EncoderBlock
from attention_zoo.layers.keras_internals import sublayers, variable_key

# Versions in which these functions were looked at; a newer one is worth a look.
NEWEST = (3, 15)


def test_the_installed_version_is_one_that_was_looked_at():
    assert tuple(int(part) for part in keras.__version__.split(".")[:2]) <= NEWEST


def test_sublayers_are_those_at_any_depth():
    block = EncoderBlock(2, 3)
    block.build((None, None, 4))
    layers = sublayers(block)
    assert layers[0] is block
    attention = block.self_attention
    expected = [attention.query_key_value, attention.attention_dropout, block.feed_forward.outer]
    assert all(any(layer is inner for layer in layers) for inner in expected)
    assert len({id(layer) for layer in layers}) == len(layers)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_key_of_a_variable_is_that_of_its_value(compiled):
    keys = []

    class Optimizer(keras.optimizers.SGD):
        def update_step(self, gradient, variable, learning_rate):
            keys.append(variable_key(self, variable))
            super().update_step(gradient, variable, learning_rate)

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile(Optimizer(), "mse", run_eagerly=not compiled)
    model.train_on_batch(np.ones((1, 2)), np.ones((1, 3)))
    expected = {variable_key(model.optimizer, v) for v in model.trainable_variables}
    assert len(expected) == 2
    assert set(keys) == expected
