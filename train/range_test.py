"""The learning-rate range test, and the search for the largest batch."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.train.loss_scale import LossScale
from attention_zoo.train.optimizer import make_optimizer
from attention_zoo.train.step import make_step

_SMOOTHING = 0.9
_DIVERGED = 4.0  # times the lowest loss
_BELOW_LOWEST = 10.0


@dataclasses.dataclass(frozen=True)
class RangeTest:
    """The result of a learning-rate range test.

    Attributes:
        rates: the learning rate of each step.
        losses: the mean loss of a target in each step, smoothed.
    """

    rates: np.ndarray
    losses: np.ndarray

    @property
    def suggestion(self) -> float:
        """A tenth of the rate with the lowest loss, where training is still stable.

        Raises:
            UserError: if the loss never fell.
        """
        lowest = int(np.argmin(self.losses))
        if lowest == 0:
            raise UserError(
                f"the loss never fell below its first value, {self.losses[0]:.4g}: check the data, "
                "or begin at a lower rate"
            )
        return float(self.rates[lowest] / _BELOW_LOWEST)


def range_test(
    task, settings, examples, lowest=1e-7, highest=1.0, steps=100, progress=lambda step: None
):
    """Trains with a learning rate that rises exponentially, until the loss diverges.

    "Cyclical Learning Rates for Training Neural Networks" (Smith 2017), section 3.3. The weights
    of the task are those of the last step then: throw it away.

    Args:
        task: a task.
        settings: `TrainSettings`; their schedule is not used.
        examples: tuples of strings, or `PreparedExamples`.
        lowest: the rate of the first step.
        highest: the rate of the last step.
        steps: optimizer steps.
        progress: called with the number of steps taken.

    Returns:
        A `RangeTest`, of fewer steps if the loss diverged: it is four times its lowest value, or
        not finite.
    """
    schedule = keras.optimizers.schedules.ExponentialDecay(
        lowest, decay_steps=max(steps - 1, 1), decay_rate=highest / lowest
    )
    step_function, batches = _make_step(task, settings, examples, schedule)
    rates, losses, mean = [], [], 0.0
    for step, (_, batch) in zip(
        range(steps), batches.steps_from(0, settings.accumulate), strict=False
    ):
        loss_sum, count, _ = step_function(batch, step)
        loss = float(loss_sum) / max(float(count), 1.0)
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        smoothed = mean / (1 - _SMOOTHING ** (step + 1))
        if not np.isfinite(loss) or smoothed > _DIVERGED * min([*losses, np.inf]):
            break
        rates.append(lowest * (highest / lowest) ** (step / max(steps - 1, 1)))
        losses.append(smoothed)
        progress(step + 1)
    if not losses:
        raise UserError(f"the loss of the first step is not finite, at the rate {lowest:g}")
    return RangeTest(np.array(rates), np.array(losses))


def train_largest_batch(task, settings, examples, steps=2):
    """Trains a few steps on batches of the shape with the most elements.

    Args:
        task: a task.
        settings: `TrainSettings`.
        examples: tuples of strings, or `PreparedExamples`.
        steps: optimizer steps.

    Returns:
        The number of batches in an epoch.
    """
    rate = keras.optimizers.schedules.ExponentialDecay(1e-9, 1, 1.0)
    step_function, batches = _make_step(task, settings, examples, rate)
    plan = batches.plan(epoch=0)
    largest = max(plan, key=lambda step: step[0].rows * sum(step[0].lengths))
    batch = batches.gather(largest[0], batches.padded(largest[1], settings.accumulate))
    for step in range(steps):
        float(step_function(batch, step)[0])
    return len(plan)


def _make_step(task, settings, examples, schedule):
    """A `TrainStep` with a schedule, on one device, and the batches."""
    variables = task.trained_variables(settings)
    optimizer = make_optimizer(settings, schedule, variables, task.rates(settings))
    strategy = tf.distribute.get_strategy()
    scale = LossScale() if settings.precision == "mixed_float16" else None
    step = make_step(task, settings, optimizer, strategy, variables, scale)
    return step, task.training_batches(examples, settings)


def largest_that_fits(fits: Callable[[int], bool], start: int, most: int, tolerance=0.1) -> int:
    """The largest number for which a test succeeds, by doubling and then halving intervals.

    Args:
        fits: the test; if it fails for a number, it fails for all larger ones.
        start: the first number tried.
        most: the largest number tried.
        tolerance: the result is at most this fraction below the largest that fits.

    Raises:
        UserError: if even 1 fails.

    Example:
        >>> tried = []
        >>> largest_that_fits(lambda n: tried.append(n) or n <= 700, 256, 10_000)
        640
        >>> tried
        [256, 512, 1024, 768, 640, 704]
    """
    good, bad = 0, None
    number = min(start, most)
    while True:
        if fits(number):
            good = number
        else:
            bad = number
        if good >= most:
            return good
        if bad is None:
            number = min(2 * good, most)
        elif bad <= 1:
            raise UserError("not even the smallest batch fits into memory")
        elif good and bad - good <= max(1, tolerance * bad):
            return good
        else:
            number = (good + bad) // 2
