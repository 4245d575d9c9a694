"""The moving average of weights: its numbers, and that it is what is evaluated and saved."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.tasks.seq2seq.settings import Seq2SeqRecipe
from attention_zoo.train import checkpoints
from attention_zoo.train.moving_average import MovingAverage
from attention_zoo.train.trainer import Trainer
from attention_zoo.zoo.weights import copy_weights, saved_weights

SETTINGS = {
    "batch_tokens": 64,
    "steps": 6,
    "evaluate_every": 3,
    "learning_rate": {"schedule": "constant", "peak": 0.01, "warmup": 0},
}


def test_numbers():
    weight = keras.Variable([1.0])
    average = MovingAverage([weight], decay=0.25)
    expected = 1.0
    for step, value in enumerate([5.0, -3.0, 2.0, 8.0]):
        weight.assign([value])
        average.update(tf.distribute.get_strategy(), tf.constant(step))
        decay = min(0.25, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
        np.testing.assert_allclose(average.variables[0].numpy(), [expected], rtol=1e-6)
    with average.applied():
        np.testing.assert_array_equal(weight.numpy(), average.variables[0].numpy())
    assert weight.numpy() == [8.0]


def test_the_average_is_evaluated_and_saved(make_task, pairs, tmp_path):
    task = make_task()
    settings = Seq2SeqRecipe.train_settings(**SETTINGS, ema=0.6)
    trainer = Trainer(task, settings, pairs, pairs[:8], tmp_path, ["exact_match"])
    names = {id(v): name for name, v in saved_weights(task.model).items()}
    expected = copy_weights(task.model)
    several = trainer._train_step.several

    def followed(batches, step):
        results = several(batches, step)
        decay = min(0.6, (1 + step) / (10 + step))
        for name, value in copy_weights(task.model).items():
            expected[name] = decay * expected[name] + (1 - decay) * value
        return results

    trainer._train_step.several = followed
    figures = trainer.run()
    assert figures["weights"] == "moving average at step 6"
    for weights in (
        copy_weights(task.model),
        copy_weights(type(task).load(tmp_path / "task").model),
    ):
        for v in trainer.average.weights:
            np.testing.assert_allclose(weights[names[id(v)]], expected[names[id(v)]], atol=1e-6)
    # Training goes on from the weights, not from their average.
    checkpoints.load_weights(tmp_path / "checkpoints", 6, task.model)
    assert any(
        not np.allclose(v, expected[name], atol=1e-4)
        for name, v in copy_weights(task.model).items()
    )


def _named(model):
    from attention_zoo.zoo.weights import saved_weights

    return saved_weights(model)


def test_two_averages_are_one_too_many():
    settings = Seq2SeqRecipe.train_settings(ema=0.999)
    assert settings.average_last == 1
    with pytest.raises(UserError, match="ema averages the weights already: remove average_last"):
        Seq2SeqRecipe.train_settings(ema=0.999, average_last=5)
    with pytest.raises(UserError, match="ema"):
        Seq2SeqRecipe.train_settings(ema=1.0)
