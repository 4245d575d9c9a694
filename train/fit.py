"""Training a task from Python, without a recipe."""

import tempfile
import warnings
from pathlib import Path

import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.files import locked
from attention_zoo.text.readers import read_examples
from attention_zoo.train.evaluation import require_metrics
from attention_zoo.train.figures import TrainingFigures
from attention_zoo.train.metrics import metric_names
from attention_zoo.train.texts import notes_on_texts
from attention_zoo.train.trainer import Trainer
from attention_zoo.train.workers import Workers


def fit(task, train, valid=None, out=None, metrics=None, **settings) -> TrainingFigures:
    """Trains a task in place.

    To train on several devices, create the model and call this within the scope of a
    `tf.distribute` strategy.

    Args:
        task: a task.
        train: examples, tuples of strings, or files in any form that `read_examples` takes.
        valid: validation examples in the same form; without them the last weights are kept.
        out: the run directory; default: a temporary one.
        metrics: names of metrics, or functions of answers and references; the first decides
            which weights are best.
        **settings: fields of the section `train` of the task's recipes, such as `steps`,
            `batch_tokens`, `seed`.

    Returns:
        The figures of the run.

    Raises:
        UserError: if a setting is unknown or out of range, or a metric does not apply to the task;
            or within the scope of a strategy of several workers.
    """
    if Workers(tf.distribute.get_strategy()).count > 1:
        raise UserError(
            "several workers share a run directory, which fit does not have: use "
            "attention_zoo.train_recipe or the command line"
        )
    metrics = metric_names(metrics or task.metrics)
    require_metrics(task, metrics)
    settings = task.recipe.train_settings(**settings)
    train, valid = (_examples(data, task) for data in (train, valid or []))
    for note in notes_on_texts(task, train, settings.max_unknown):
        warnings.warn(note, stacklevel=3)
    with tempfile.TemporaryDirectory() as temporary, locked(out or temporary):
        trainer = Trainer(task, settings, train, valid, out or temporary, metrics)
        return trainer.run()


def _examples(data, task):
    is_list_of_files = isinstance(data, list) and data and isinstance(data[0], str | Path)
    if isinstance(data, str | Path | dict) or is_list_of_files:
        return read_examples(data, task.fields, holds=task.holds)
    return data
