"""The training step: the defects it avoids, and that strategies agree."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from attention_zoo.launching import free_ports
from attention_zoo.train.cluster import Cluster
from attention_zoo.train.loss_scale import LossScale
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


@pytest.mark.slow
@pytest.mark.parametrize("family", ["transformer", "rnn"])
def test_xla_gives_the_same_losses(family, make_task):
    batches = [_batch()] * 3
    plain = _train(make_task(family=family), batches)
    compiled = _train(make_task(family=family), batches, jit_compile=True)
    np.testing.assert_allclose(plain, compiled, rtol=1e-4)


def run_script(strategy, optimizer, family, accumulate=1, workers=1):
    """What `strategy_script.py` prints, in each of its processes."""
    script = Path(__file__).parent / "strategy_script.py"
    command = [sys.executable, str(script), strategy, optimizer, family, str(accumulate)]
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(workers))
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, "TF_CONFIG": Cluster(addresses, i).tf_config},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(workers)
    ]
    # All at once: none of them ends before the others do.
    with ThreadPoolExecutor() as pool:
        outputs = list(pool.map(lambda process: process.communicate(timeout=300), processes))
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return [json.loads(output.splitlines()[-1]) for output, _ in outputs]


@pytest.mark.parametrize(
    ("optimizer", "family"),
    [("adamw", "transformer"), pytest.param("adam", "rnn", marks=pytest.mark.slow)],
)
def test_strategies_agree(optimizer, family):
    """Unequal tokens on each replica, and one with none in a step."""
    (one,) = run_script("one_device", optimizer, family)
    (two,) = run_script("mirrored", optimizer, family)
    (parts,) = run_script("one_device", optimizer, family, accumulate=2)
    first, second = run_script("multi_worker", optimizer, family, workers=2)
    assert [result["replicas"] for result in (one, two, parts, first)] == [1, 2, 1, 2]
    assert first == second
    for other in (two, parts, first):
        for dropout in ("without dropout", "with dropout"):
            # Two replicas, or parts, draw masks of their own: one device that takes the batch
            # as a whole has others.
            same = one if dropout == "without dropout" else two
            np.testing.assert_allclose(same[dropout]["losses"], other[dropout]["losses"], rtol=1e-5)
            np.testing.assert_allclose(
                same[dropout]["weights"], other[dropout]["weights"], atol=1e-4
            )


def test_two_replicas_draw_masks_of_their_own(make_task):
    """The same row in both parts: with the same masks, its loss would be that of one of them."""
    task = make_task(dropout=0.5)
    row = tuple(side[:1] for side in _batch())
    alone = _train(task, [row], learning_rate=0.0)[0][0]
    both = _train(
        task, [tuple(np.repeat(side, 2, 0) for side in row)], learning_rate=0.0, accumulate=2
    )
    assert both[0][0] != pytest.approx(2 * alone, rel=1e-4)


def test_several_steps_in_a_call_are_those_of_several_calls(make_task):
    batches = [_batch(), _batch(repeated=True), _batch()]
    losses = _train(make_task(dropout=0.3), batches)
    task = make_task(dropout=0.3)
    optimizer = keras.optimizers.Adam(0.05)
    optimizer.build(task.model.trainable_variables)
    step = TrainStep(task, optimizer, tf.distribute.get_strategy())
    np.testing.assert_allclose(np.transpose(step.several(batches, 0)), losses, rtol=1e-6)


def steep(task):
    """The task, with a loss that is a thousand times larger."""
    loss = task.loss

    def larger(batch, **options):
        total, count = loss(batch, **options)
        return 1000.0 * total, count

    task.loss = larger
    return task


def test_a_step_whose_gradient_overflows_is_skipped(make_task):
    """The scale is halved, and weights and moments stay what they were."""
    task = steep(make_task())
    optimizer = keras.optimizers.Adam(0.05)
    optimizer.build(task.model.trainable_variables)
    scale = LossScale(2.0**127)
    step = TrainStep(task, optimizer, tf.distribute.get_strategy(), loss_scale=scale)
    variables = [*task.model.variables, *optimizer.variables]
    before = [variable.numpy() for variable in variables]
    # Times 2^127, what is above 2 is infinite in float32.
    norms = [float(step(_batch(), 0)[2])]
    for variable, old in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), old)
    assert float(scale.value) == 2.0**126
    while not np.isfinite(norms[-1]):
        norms.append(float(step(_batch(), 0)[2]))
    assert float(scale.value) == 2.0 ** (127 - (len(norms) - 1))
    assert int(optimizer.iterations.numpy()) == 1
    [[_, _, plain]] = _train(steep(make_task()), [_batch()])
    assert norms[-1] == pytest.approx(plain, rel=1e-4)


def test_the_loss_scale_grows_after_2000_finite_gradients():
    scale = LossScale(4.0)
    for _ in range(1999):
        scale.update(tf.constant(1.0), lambda: None)
    assert float(scale.value) == 4.0
    scale.update(tf.constant(1.0), lambda: None)
    assert float(scale.value) == 8.0
    assert not scale.is_exhausted
