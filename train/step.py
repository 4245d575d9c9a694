"""Training steps, on all replicas of a strategy.

Four defaults of Keras would change results here, and are avoided:

- Keras optimizers apply the rows of a sparse gradient one by one, even if an id occurs
  twice: gradients of embeddings are converted to dense ones first.
- They clip on each replica before the gradients are summed: we sum, then clip.
- Dropout draws the same masks on every replica, and checkpoints do not include its state:
  here every mask is a function of (seed, step, part of the batch), so there is no state.
- A mean over each replica's tokens gives replicas wrong weights: we divide the sum of all
  gradients by the total number of target tokens.

The rows of a batch form `replicas * accumulate` parts of equal size, each with masks of its own. So
one device that accumulates two parts does what two replicas do.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from attention_zoo.train.workers import Workers


class TrainStep:
    """Trains on batches.

    Args:
        task: the task; its model was created in the strategy's scope.
        optimizer: a built Keras optimizer, created in the strategy's scope.
        strategy: a `tf.distribute.Strategy`.
        label_smoothing: argument of the loss.
        clip_norm: maximum global norm of the gradient, or None.
        seed: of dropout masks and everything else that is random.
        jit_compile: compile with XLA: with one replica the whole step, with several only the
            forward and backward pass (the rest communicates with other replicas).
        loss_options: a function from the step, an int32 scalar, to a dict of further
            arguments of the loss, or None.
        variables: the weights to train, for which the optimizer was built; default: all
            trainable weights of the model.
        accumulate: the number of parts into which each replica divides its rows. Gradients
            are summed over them, and only one part at a time needs memory.
        loss_scale: for float16, a `LossScale` created in the strategy's scope: steps whose
            gradient is not finite are skipped.
        average: a `MovingAverage` of the variables created in the strategy's scope, or None.
    """

    def __init__(
        self,
        task,
        optimizer,
        strategy,
        label_smoothing=0.0,
        clip_norm=None,
        seed=0,
        jit_compile=False,
        loss_options=None,
        variables=None,
        accumulate=1,
        loss_scale=None,
        average=None,
    ):
        self.task = task
        self.optimizer = optimizer
        self.strategy = strategy
        self.label_smoothing = label_smoothing
        self.clip_norm = clip_norm
        self.seed = seed
        self.jit_compile = jit_compile
        self.loss_options = loss_options or (lambda step: {})
        self.variables = task.model.trainable_variables if variables is None else variables
        self.accumulate = accumulate
        self.loss_scale = loss_scale
        self.average = average
        self._replicas = strategy.num_replicas_in_sync
        self._local_replicas = self._replicas // Workers(strategy).count
        self._seed_states = [
            v for v in task.model.variables if v.path.endswith("seed_generator_state")
        ]
        # With several replicas, all other operations may communicate.
        self._compiled_gradients = (
            tf.function(self._gradients, jit_compile=True, autograph=False)
            if jit_compile and self._replicas > 1
            else self._gradients
        )
        # XLA compiles each batch shape separately. Otherwise one trace serves all shapes from
        # the first step on: another trace may round differently, and a run that is resumed with
        # another shape must not differ from one that goes on.
        self._compiled = functools.cache(self._compile)
        self._needs_shapes = jit_compile or isinstance(strategy, tf.distribute.TPUStrategy)

    def __call__(self, batch, step):
        """Trains on one batch.

        Args:
            batch: tuple of arrays with this process's rows, equally many for each part.
            step: integer from 0.

        Returns:
            Float32 scalars: the sum of the losses, the number of targets and the norm of the
            gradient, of all replicas together.
        """
        return tuple(result[0] for result in self.several([batch], step))

    def several(self, batches, step):
        """Trains on several batches of the same shapes in one call.

        Args:
            batches: a list of batches, as for `__call__`.
            step: the step of the first batch.

        Returns:
            What `__call__` returns, as tensors `(len(batches),)`.
        """
        fields = [np.stack(arrays) for arrays in zip(*batches, strict=True)]
        shapes = tuple(
            (
                field.shape if self._needs_shapes else (len(batches), *[None] * (field.ndim - 1)),
                field.dtype,
            )
            for field in fields
        )
        return self._compiled(shapes)(tuple(map(tf.constant, fields)), tf.constant(step, tf.int32))

    def _compile(self, shapes):
        count = shapes[0][0][0]
        fields = tuple(tf.TensorSpec(shape, dtype) for shape, dtype in shapes)
        return tf.function(
            lambda batches, step: self._steps(batches, step, count),
            input_signature=[fields, tf.TensorSpec([], tf.int32)],
            jit_compile=self.jit_compile and self._replicas == 1,
            autograph=False,
        )

    def _steps(self, batches, first, count):
        """All steps of a call, in-graph."""

        def step(i, results):
            new = self._step(batches, i, first + i)
            return i + 1, tuple(
                tf.tensor_scatter_nd_update(old, [[i]], [value])
                for old, value in zip(results, new, strict=True)
            )

        return _repeat(step, count, tuple(tf.zeros([count]) for _ in range(3)))

    def _step(self, batches, i, step):
        if self.loss_scale is None:
            results = self.strategy.run(self._replica_step, args=(batches, i, step))
            self._update_average(step)
            return self._first(results)
        grads, results = self.strategy.run(self._mean_gradients, args=(batches, i, step))
        loss_sum, count, norm = self._first(results)

        def apply():
            self.strategy.run(self._apply, args=(grads,))
            self._update_average(step)

        # Outside of the replicas: within a condition they could not communicate.
        self.loss_scale.update(norm, apply)
        return loss_sum, count, norm

    def _update_average(self, step):
        if self.average is not None:
            self.average.update(self.strategy, step)

    def _first(self, results):
        """The results of any replica: after the reduction, all have the same ones."""
        return tuple(self.strategy.experimental_local_results(result)[0] for result in results)

    def _replica_step(self, batches, i, step):
        grads, results = self._mean_gradients(batches, i, step)
        self._apply(grads)
        return results

    def _apply(self, grads):
        # Keras sums over the replicas again.
        self.optimizer.apply([gradient / self._replicas for gradient in grads], self.variables)

    def _mean_gradients(self, batches, i, step):
        """The clipped gradient of the mean loss of all targets, and what `__call__` returns."""
        context = tf.distribute.get_replica_context()
        batch = tuple(field[i] for field in batches)
        sums = self._sums_of_replica(batch, step, context.replica_id_in_sync_group)
        if self._replicas > 1:
            sums = context.all_reduce(tf.distribute.ReduceOp.SUM, sums)
        grads, loss_sum, count = sums
        grads = [gradient / tf.maximum(count, 1.0) for gradient in grads]
        norm = tf.linalg.global_norm(grads)
        if self.clip_norm is not None:
            grads, _ = tf.clip_by_global_norm(grads, self.clip_norm, use_norm=norm)
        return grads, (loss_sum, count, norm)

    def _sums_of_replica(self, batch, step, replica):
        """`_gradients` summed over the parts of a replica."""
        first_part = replica * self.accumulate
        first_row_part = replica % self._local_replicas * self.accumulate
        rows = tf.shape(batch[0])[0] // (self._local_replicas * self.accumulate)

        def gradients(i):
            start = (first_row_part + i) * rows
            part = tuple(field[start : start + rows] for field in batch)
            return self._compiled_gradients(part, step, first_part + i)

        if self.accumulate == 1:
            return gradients(0)
        zero = [tf.zeros(v.shape) for v in self.variables], tf.constant(0.0), tf.constant(0.0)
        return _repeat(
            lambda i, sums: (i + 1, tf.nest.map_structure(tf.add, sums, gradients(i))),
            self.accumulate,
            zero,
        )

    def _gradients(self, batch, step, part):
        """Sums over the targets of one part: gradients, loss, number of targets."""
        drawn = _seeds(self._seed_states, self.seed, step, part)
        values = [v.value for v in self.variables]
        # Only trained weights are watched: there is no backward pass below frozen layers.
        tape = tf.GradientTape(watch_accessed_variables=False)
        with keras.StatelessScope(state_mapping=drawn), tape:
            tape.watch(values)
            loss_sum, count = self.task.loss(
                batch,
                training=True,
                label_smoothing=self.label_smoothing,
                seed=_fold(self.seed, 1, step, part),
                **self.loss_options(step),
            )
            # Of the mean, whose size does not depend on the batch.
            scale = self.loss_scale.value / tf.maximum(count, 1.0) if self.loss_scale else 1.0
            scaled = loss_sum * scale
        grads = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(scaled, values)]
        if self.loss_scale:
            grads = [gradient / scale for gradient in grads]
        return grads, loss_sum, count


def make_step(task, settings, optimizer, strategy, variables, loss_scale=None, average=None):
    """The `TrainStep` of a recipe's `train`; the arguments are those of the class."""
    return TrainStep(
        task,
        optimizer,
        strategy,
        settings.label_smoothing,
        settings.clip_norm,
        settings.seed,
        settings.jit_compile,
        task.loss_options(settings),
        variables,
        settings.accumulate,
        loss_scale,
        average,
    )


def _repeat(body, count, values):
    """Calls `body(i, values) -> (i + 1, values)` `count` times, in-graph."""
    if count == 1:
        return body(0, values)[1]
    return tf.while_loop(
        lambda i, values: i < count,
        body,
        (tf.constant(0), values),
        maximum_iterations=count,
        parallel_iterations=1,
    )[1]


def _seeds(seed_states, seed, step, part):
    """A fresh state for each random number generator of the model."""
    folded = _fold(seed, 0, step, part)
    return [
        (state, tf.cast(folded + tf.constant([0, index], tf.int32) * 65_537, state.dtype))
        for index, state in enumerate(seed_states)
    ]


def _fold(seed, purpose, step, part):
    """A seed, int32 `(2,)`, derived from these four numbers."""
    folded = tf.constant([seed & 0x7FFFFFFF, purpose], tf.int32)
    for number in (step, part):
        folded = tf.random.experimental.stateless_fold_in(folded, number)  # pyright: ignore
    return folded
