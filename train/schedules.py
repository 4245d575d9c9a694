"""Learning-rate schedules."""

import math
from typing import Any

import keras
from keras import ops


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that rises linearly for `warmup` steps; steps count from 0."""

    warmup: int

    def get_config(self):
        """All constructor arguments."""
        return dict(vars(self))

    def _warmed_up(self, step) -> Any:
        """The completed fraction of the warm-up, at most 1."""
        return ops.minimum((_float(step) + 1.0) / max(self.warmup, 1), 1.0)


def _float(step) -> Any:
    return ops.cast(step, "float32")


@keras.saving.register_keras_serializable("attention_zoo")
class Noam(_Schedule):
    """`factor width^-0.5 min(n^-0.5, n warmup^-1.5)` at the n-th step.

    "Attention Is All You Need" (Vaswani et al. 2017), section 5.3, equation 3.

    Example:
        >>> round(float(Noam(width=512, warmup=4000)(3999)), 6)
        0.000699
    """

    def __init__(self, width, warmup=4000, factor=1.0):
        self.width = width
        self.warmup = warmup
        self.factor = factor

    def __call__(self, step):
        """The rate at a step."""
        n = _float(step) + 1.0
        scale = self.factor / math.sqrt(self.width * max(self.warmup, 1))
        curve: Any = ops.minimum(ops.rsqrt(n / max(self.warmup, 1)), self._warmed_up(step))
        return scale * curve


@keras.saving.register_keras_serializable("attention_zoo")
class InverseSqrt(_Schedule):
    """`peak min(n / warmup, (warmup / n)^0.5)` at the n-th step: Noam's curve with a given peak.

    Example:
        >>> [round(float(InverseSqrt(peak=1.0, warmup=100)(n - 1)), 3) for n in (50, 100, 400)]
        [0.5, 1.0, 0.5]
    """

    def __init__(self, peak, warmup=4000):
        self.peak = peak
        self.warmup = warmup

    def __call__(self, step):
        """The rate at a step."""
        n = _float(step) + 1.0
        return self.peak * ops.minimum(ops.sqrt(max(self.warmup, 1) / n), self._warmed_up(step))


@keras.saving.register_keras_serializable("attention_zoo")
class Constant(_Schedule):
    """`peak`, after the warm-up.

    Example:
        >>> round(float(Constant(peak=0.1, warmup=10)(4)), 4)
        0.05
    """

    def __init__(self, peak, warmup=0):
        self.peak = peak
        self.warmup = warmup

    def __call__(self, step):
        """The rate at a step."""
        return self.peak * self._warmed_up(step)


class _Falling(_Schedule):
    """From `peak` after the warm-up down to zero at the last step, by `_fall`."""

    def __init__(self, peak, steps, warmup=0):
        self.peak = peak
        self.steps = steps
        self.warmup = warmup

    def _fall(self, done: Any) -> Any:
        """The fraction of the peak that is left, by the fraction of the steps that is done."""
        raise NotImplementedError

    def __call__(self, step):
        """The rate at a step."""
        done = (_float(step) - self.warmup) / max(self.steps - self.warmup, 1)
        return self.peak * self._warmed_up(step) * self._fall(ops.clip(done, 0.0, 1.0))


@keras.saving.register_keras_serializable("attention_zoo")
class Cosine(_Falling):
    """From `peak` after the warm-up down to zero at the last step, along half a cosine.

    Example:
        >>> [round(float(Cosine(peak=1.0, steps=100)(step)), 3) for step in (0, 50, 100)]
        [1.0, 0.5, 0.0]
    """

    def _fall(self, done):
        cosine: Any = ops.cos(math.pi * done)
        return 0.5 * (1.0 + cosine)


@keras.saving.register_keras_serializable("attention_zoo")
class LinearDecay(_Falling):
    """From `peak` after the warm-up down to zero at the last step, linearly.

    Devlin et al. 2019, appendix A.2.

    Example:
        >>> [round(float(LinearDecay(peak=1.0, steps=100)(step)), 3) for step in (0, 50, 100)]
        [1.0, 0.5, 0.0]
    """

    def _fall(self, done):
        return 1.0 - done


def make_schedule(settings, width, steps):
    """The schedule for a recipe's `train.learning_rate`.

    Args:
        settings: `LearningRateSettings`.
        width: the width of the model, for noam.
        steps: the number of training steps, for cosine and linear.
    """
    if settings.schedule == "noam":
        return Noam(width, settings.warmup, settings.factor)
    if settings.schedule == "inverse_sqrt":
        return InverseSqrt(settings.peak, settings.warmup)
    if settings.schedule == "cosine":
        return Cosine(settings.peak, steps, min(settings.warmup, steps))
    if settings.schedule == "linear":
        return LinearDecay(settings.peak, steps, min(settings.warmup, steps))
    return Constant(settings.peak, settings.warmup)
