"""The loss by hand, against NumPy, and its gradient."""

import numpy as np
import pytest
import tensorflow as tf

from attention_zoo.train.losses import smoothed_cross_entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_equals_the_definition(rng, smoothing):
    logits = rng.normal(0, 3, (2, 3, 5)).astype("float32")
    targets = rng.integers(0, 5, (2, 3))
    mask = np.array([[True, True, False], [True, False, False]])
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    q = (1 - smoothing) * np.eye(5)[targets] + smoothing / 5
    expected = -(q * log_p).sum(-1)[mask].sum()
    loss, count = smoothed_cross_entropy(logits, targets, mask, smoothing)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(count) == 3.0


def test_gradient_is_softmax_minus_target(rng):
    logits = tf.constant(rng.normal(0, 2, (1, 2, 4)), tf.float32)
    targets = np.array([[1, 3]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss, _ = smoothed_cross_entropy(logits, targets, np.array([[True, False]]), 0.2)
    gradient = tape.gradient(loss, logits).numpy()[0]
    expected = tf.nn.softmax(logits).numpy()[0, 0] - (0.8 * np.eye(4)[1] + 0.05)
    np.testing.assert_allclose(gradient[0], expected, atol=1e-6)
    np.testing.assert_array_equal(gradient[1], np.zeros(4))
