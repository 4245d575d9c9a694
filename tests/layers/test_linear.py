import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from attention_zoo.layers import Linear, project


def test_what_dense_computes(rng, randomize):
    inputs = rng.normal(size=(2, 3, 4)).astype("float32")
    dense, ours = keras.layers.Dense(5), Linear(5)
    dense.build((None, None, 4))
    ours.build((None, None, 4))
    randomize(dense)
    ours.set_weights(dense.get_weights())
    for training in (False, True):
        assert_allclose(ours(inputs, training=training), dense(inputs), atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 4), (None, None, 4)])
def test_both_forms_have_the_same_values_and_gradients(shape, rng):
    inputs = tf.constant(rng.normal(size=(2, 3, 4)), "float32")
    kernel = tf.constant(rng.normal(size=(4, 5)), "float32")

    @tf.function(input_signature=[tf.TensorSpec(shape)], autograph=False)
    def both(inputs):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([inputs, kernel])
            outputs = [project(inputs, kernel, training) for training in (False, True)]
            losses = [tf.reduce_sum(output**2) for output in outputs]
        return [
            [output, *tape.gradient(loss, [inputs, kernel])]
            for output, loss in zip(outputs, losses, strict=True)
        ]

    decoding, training = both(inputs)
    assert_allclose(decoding[0], np.einsum("btd,de->bte", inputs, kernel), atol=1e-5)
    for one, other in zip(decoding, training, strict=True):
        assert_allclose(one, other, atol=1e-4)
