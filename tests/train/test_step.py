"""The training step: the defects it avoids, and that strategies agree."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from attention_zoo.train.step import TrainStep


def _train(task, batches, replicas_strategy=None, learning_rate=0.05, **options):
    strategy = replicas_strategy or tf.distribute.get_strategy()
    with strategy.scope():
        optimizer = keras.optimizers.Adam(learning_rate)
        optimizer.build(task.model.trainable_variables)
    step = TrainStep(task, optimizer, strategy, **options)
    return [[float(value) for value in step(batch, i)] for i, batch in enumerate(batches)]


def _batch(rows=4, repeated=False):
    source = np.array([[4, 5, 6, 3], [7, 8, 3, 0], [9, 4, 5, 3], [6, 3, 0, 0]], "int32")
    target = source[:, ::-1].copy() if not repeated else np.full((4, 4), 5, "int32")
    target[target == 0] = 4
    target[:, -1] = 3
    return source[:rows], target[:rows]


def test_adam_takes_repeated_ids_as_one_gradient(make_task):
    """Every id occurs several times: the first step must be that of a dense gradient."""
    task = make_task()
    table = task.model.target_embedding.table
    before = table.numpy()
    batch = _batch(repeated=True)
    with tf.GradientTape() as tape:
        loss, count = task.loss(batch, training=False)
    gradient = tf.convert_to_tensor(tape.gradient(loss, table.value)) / count
    _train(task, [batch], learning_rate=0.1)
    # Adam's first step by hand, with Keras' epsilon, which is not scaled by the bias
    # correction: lr * g / (|g| + eps / sqrt(1 - beta_2)).
    large = np.abs(gradient) > 1e-4  # below, rounding decides
    assert large.mean() > 0.8
    expected = before - 0.1 * gradient / (np.abs(gradient) + 1e-7 / np.sqrt(1 - 0.999))
    np.testing.assert_allclose(table.numpy()[large], expected[large], atol=2e-4)


def test_gradient_norm_is_of_the_mean_over_target_tokens(make_task):
    task = make_task()
    batch = _batch()
    variables = [v.value for v in task.model.trainable_variables]
    with tf.GradientTape() as tape:
        loss, count = task.loss(batch, training=False)
    gradients = [tf.convert_to_tensor(g) / count for g in tape.gradient(loss, variables)]
    [[loss_sum, tokens, norm]] = _train(task, [batch])
    assert tokens == 16.0
    assert loss_sum == pytest.approx(float(loss), rel=1e-5)
    assert norm == pytest.approx(float(tf.linalg.global_norm(gradients)), rel=1e-5)


def test_clipping_bounds_the_update(make_task):
    """Under plain gradient descent the update is the clipped gradient itself."""
    task = make_task()
    before = [v.numpy() for v in task.model.trainable_variables]
    strategy = tf.distribute.get_strategy()
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build(task.model.trainable_variables)
    step = TrainStep(task, optimizer, strategy, clip_norm=0.01)
    assert float(step(_batch(), 0)[2]) > 0.01
    moved = [v.numpy() - old for v, old in zip(task.model.trainable_variables, before, strict=True)]
    assert np.sqrt(sum((m**2).sum() for m in moved)) == pytest.approx(0.01, rel=1e-3)


def test_dropout_depends_on_step_and_seed_alone(make_task):
    """No state: the same step draws the same masks, other steps and seeds others."""
    losses = {}
    for name, seed, first in (("a", 1, 0), ("again", 1, 0), ("step", 1, 7), ("seed", 2, 0)):
        task = make_task(dropout=0.5)
        strategy = tf.distribute.get_strategy()
        optimizer = keras.optimizers.Adam(0.0)
        optimizer.build(task.model.trainable_variables)
        step = TrainStep(task, optimizer, strategy, seed=seed)
        losses[name] = float(step(_batch(), first)[0])
    assert losses["a"] == losses["again"]
    assert len(set(losses.values())) == 3


@pytest.mark.parametrize("family", ["transformer", "rnn"])
def test_xla_gives_the_same_losses(family, make_task):
    batches = [_batch()] * 3
    plain = _train(make_task(family=family), batches)
    compiled = _train(make_task(family=family), batches, jit_compile=True)
    np.testing.assert_allclose(plain, compiled, rtol=1e-4)


@pytest.mark.parametrize(
    ("optimizer", "family"), [("adam", "transformer"), ("adamw", "transformer"), ("adam", "rnn")]
)
def test_mirrored_equals_one_device(optimizer, family):
    """Two logical CPU devices, unequal tokens on each, one replica with none in a step."""
    script = Path(__file__).parent / "mirrored_script.py"
    results = {}
    for name in ("one_device", "mirrored"):
        process = subprocess.run(
            [sys.executable, str(script), name, optimizer, family],
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr[-3000:]
        results[name] = json.loads(process.stdout.splitlines()[-1])
    one, two = results["one_device"], results["mirrored"]
    assert two["replicas"] == 2
    np.testing.assert_allclose(one["losses"], two["losses"], rtol=1e-5)
    np.testing.assert_allclose(one["weights"], two["weights"], atol=1e-4)
    # With dropout every replica draws masks of its own: equal rows give unequal losses.
    assert two["replica_losses"][0] != two["replica_losses"][1]
