"""An exponential moving average of the weights, which is often better than the last ones."""

import contextlib

import tensorflow as tf


class MovingAverage:
    """The exponential moving average of weights (Polyak and Juditsky 1992 for the mean).

        average = d average + (1 - d) weight,  d = min(decay, (1 + step) / (10 + step))

    In early steps d is smaller, so that the average forgets the initial weights, as in
    `tf.train.ExponentialMovingAverage`.

    Create it in the strategy's scope.

    Args:
        weights: Keras variables; their current values are the first averages.
        decay: 0 to 1.

    Attributes:
        variables: the averages, for checkpoints, in the order of the weights.

    Example:
        >>> weight = keras.Variable([2.0])
        >>> average = MovingAverage([weight], decay=0.5)
        >>> _ = weight.assign([4.0])
        >>> average.update(tf.distribute.get_strategy(), tf.constant(0))
        >>> average.variables[0].numpy()
        array([3.8], dtype=float32)
    """

    def __init__(self, weights, decay):
        self.weights = list(weights)
        self.decay = decay
        self.variables = [
            tf.Variable(weight.numpy(), trainable=False, name="average") for weight in self.weights
        ]

    def update(self, strategy, step):
        """Takes the weights after a step into the average.

        Args:
            strategy: the strategy, outside of its replicas.
            step: int32 scalar, from 0.
        """
        step = tf.cast(step, tf.float32)
        rate = 1.0 - tf.minimum(self.decay, (1.0 + step) / (10.0 + step))
        for average, weight in zip(self.variables, self.weights, strict=True):
            strategy.extended.update(
                average, lambda a, w: a.assign_add(rate * (w - a)), args=(weight.value,)
            )

    @contextlib.contextmanager
    def applied(self):
        """Gives the model the averages; outside of this context it has its own weights."""
        kept = [weight.numpy() for weight in self.weights]
        try:
            for weight, average in zip(self.weights, self.variables, strict=True):
                weight.assign(average.numpy())
            yield
        finally:
            for weight, value in zip(self.weights, kept, strict=True):
                weight.assign(value)
