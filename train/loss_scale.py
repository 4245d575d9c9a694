"""Dynamic loss scaling, without which small gradients become zero in float16."""

import tensorflow as tf

_GROWTH_STEPS = 2000
_LARGEST = 2.0**24
_SMALLEST = 2.0**-14


class LossScale:
    """A factor of the loss that keeps its gradient within the range of float16.

    It is halved after a gradient that is not finite, and doubled after 2,000 finite ones in a row
    ("Mixed Precision Training", Micikevicius et al. 2018, section 3.2, and its implementations).

    Create it in the strategy's scope.

    Args:
        initial: the first factor.

    Attributes:
        variables: its state, for checkpoints: the factor, and the number of finite gradients
            since it last changed.

    Example:
        >>> scale = LossScale(8.0)
        >>> scale.update(tf.constant(float("inf")), lambda: print("never called"))
        >>> float(scale.value)
        4.0
    """

    def __init__(self, initial=2.0**15):
        self.value = tf.Variable(tf.constant(float(initial)), trainable=False, name="loss_scale")
        self._finite = tf.Variable(tf.constant(0), trainable=False, name="finite_gradients")
        self.variables = [self.value, self._finite]

    @property
    def is_exhausted(self):
        """Whether gradients overflow although the factor is as small as it gets."""
        return float(self.value) <= _SMALLEST

    def update(self, norm, apply):
        """Applies a gradient if it is finite, and adapts the factor.

        Args:
            norm: scalar tensor, the norm of the gradient.
            apply: a function without arguments that applies the gradient.
        """
        tf.cond(tf.math.is_finite(norm), lambda: self._grow(apply), self._shrink)

    def _grow(self, apply):
        apply()
        is_due = self._finite + 1 >= _GROWTH_STEPS
        self._finite.assign(tf.where(is_due, 0, self._finite + 1))
        self.value.assign(tf.where(is_due, tf.minimum(2 * self.value, _LARGEST), self.value))
        return True

    def _shrink(self):
        self._finite.assign(0)
        self.value.assign(tf.maximum(self.value / 2, _SMALLEST))
        return False
