"""Finds settings by trying: the largest batch that fits into memory, and a learning rate."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from attention_zoo.errors import UserError
from attention_zoo.tasks.settings import Recipe

_MOST = 10_000_000  # as in `train.batch_tokens`


def tune_learning_rate(
    recipe: Recipe, steps: int, progress: Callable[[str], None]
) -> tuple[Any, int]:
    """Runs a learning-rate range test with a recipe's data and model.

    Args:
        recipe: a recipe.
        steps: optimizer steps.
        progress: called with a line of text before each long step.

    Returns:
        An `attention_zoo.train.range_test.RangeTest`, and the width of the model.
    """
    from attention_zoo.train.range_test import range_test

    with _built(recipe) as (task, examples):
        progress(f"training up to {steps} steps with a rising learning rate")
        return range_test(task, recipe.train, examples, steps=steps), task.model.width


def rate_setting(recipe: Recipe, rate: float, width: int) -> str:
    """The setting that makes a rate the highest of a recipe's schedule, as for `--set`.

    Args:
        recipe: a recipe.
        rate: the rate.
        width: the width of its model, for the schedule noam.
    """
    schedule = recipe.train.learning_rate
    if schedule.schedule != "noam":
        return f"train.learning_rate.peak={rate:.2g}"
    factor = rate * math.sqrt(width * max(schedule.warmup, 1))
    return f"train.learning_rate.factor={factor:.2g}"


def tune_batch_tokens(recipe: Recipe, progress: Callable[[str], None]) -> int:
    """The largest `train.batch_tokens` with which the largest batches fit into memory.

    Each size is tried in a process of its own, which may be killed for lack of memory. On a GPU
    the limit is its memory, on a CPU what is available of this machine's.

    Args:
        recipe: a recipe; the search begins at its own value.
        progress: called with a line of text after each try.

    Raises:
        UserError: if not even the smallest batch fits.
    """
    from attention_zoo.train.range_test import largest_that_fits

    single = False

    def fits(tokens: int) -> bool:
        nonlocal single
        if single:  # all examples are in one batch already
            return False
        started = time.monotonic()
        batches = _try(recipe, tokens)
        seconds = time.monotonic() - started
        result = "does not fit" if batches is None else f"fits; {batches:,} batches in an epoch"
        progress(f"batch_tokens {tokens:,}: {result} ({seconds:.0f} s)")
        single = batches == 1
        return batches is not None

    return largest_that_fits(fits, recipe.train.batch_tokens, _MOST)


def _try(recipe: Recipe, tokens: int) -> int | None:
    """Trains on the largest batch; the number of batches in an epoch, None if it does not fit.

    Raises:
        UserError: if it fails for another reason.
    """
    settings = recipe.train.model_copy(update={"batch_tokens": tokens})
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_child, args=(recipe.model_copy(update={"train": settings}), theirs)
    )
    process.start()
    theirs.close()
    result: Any = None
    with contextlib.suppress(EOFError):  # it was killed
        result = ours.recv()
    process.join()
    if isinstance(result, str):
        raise UserError(result)
    return result


def _child(recipe: Recipe, connection: Any) -> None:
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        # Otherwise the system may kill another process.
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = _available() if hard == resource.RLIM_INFINITY else min(_available(), hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    from attention_zoo.train.range_test import train_largest_batch

    try:
        with _built(recipe) as (task, examples):
            connection.send(train_largest_batch(task, recipe.train, examples))
    except (tf.errors.ResourceExhaustedError, MemoryError):
        connection.send(None)
    except UserError as error:
        connection.send(str(error))


def _available() -> int:
    """Bytes of memory that this process may use."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    raise UserError("/proc/meminfo does not say how much memory is available")


@contextlib.contextmanager
def _built(recipe: Recipe) -> Iterator[tuple[Any, Any]]:
    """The task of a recipe and its training examples, in the scope of one device."""
    import keras

    from attention_zoo.recipes.training_data import build_task, read_training_data
    from attention_zoo.train.strategies import make_strategy
    from attention_zoo.zoo.precision import dtype_policy

    keras.utils.set_random_seed(recipe.train.seed)
    examples = read_training_data(recipe)
    with make_strategy("one_device").scope(), dtype_policy(recipe.train.precision):
        yield build_task(recipe, examples), examples
