"""One training step, on all replicas of a strategy.

Four defaults of Keras would change results here, and are avoided:

- Keras optimizers apply the rows of a sparse gradient one by one, even if an id occurs
  twice: gradients of embeddings are converted to dense ones first.
- They clip on each replica before the gradients are summed: we sum, then clip.
- Dropout draws the same masks on every replica, and checkpoints do not include its state:
  here every mask is a function of (seed, step, replica), so there is no state.
- A mean over each replica's tokens gives replicas wrong weights: we divide the sum of all
  gradients by the total number of target tokens.
"""

import functools

import keras
import tensorflow as tf


def make_train_step(
    task,
    optimizer,
    strategy,
    label_smoothing=0.0,
    clip_norm=None,
    seed=0,
    jit_compile=False,
    loss_options=None,
    variables=None,
):
    """Makes the function that trains on one batch.

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

    Returns:
        A function `(batch, step) -> (sum of losses, number of targets, gradient norm)`,
        where batch is a tuple of arrays with the same number of rows for each replica, and
        step an integer from 0.
    """
    replicas = strategy.num_replicas_in_sync
    variables = task.model.trainable_variables if variables is None else variables
    seed_states = [v for v in task.model.variables if v.path.endswith("seed_generator_state")]

    def options(step, replica):
        more = {} if loss_options is None else loss_options(step)
        return {"seed": _fold(seed, 1, step, replica), **more}

    def gradients(batch, step, replica):
        drawn = _seeds(seed_states, seed, step, replica)
        # Only trained weights are watched: there is no backward pass below frozen layers.
        tape = tf.GradientTape(watch_accessed_variables=False)
        with keras.StatelessScope(state_mapping=drawn), tape:
            tape.watch([v.value for v in variables])
            loss_sum, count = task.loss(
                batch, training=True, label_smoothing=label_smoothing, **options(step, replica)
            )
        grads = tape.gradient(loss_sum, [v.value for v in variables])
        return [tf.convert_to_tensor(gradient) for gradient in grads], loss_sum, count

    if jit_compile and replicas > 1:
        gradients = tf.function(gradients, jit_compile=True, autograph=False)

    def replica_step(batch, step):
        context = tf.distribute.get_replica_context()
        summed = gradients(batch, step, context.replica_id_in_sync_group)
        if replicas > 1:
            summed = context.all_reduce(tf.distribute.ReduceOp.SUM, summed)
        grads, loss_sum, count = summed
        grads = [gradient / tf.maximum(count, 1.0) for gradient in grads]
        norm = tf.linalg.global_norm(grads)
        if clip_norm is not None:
            grads, _ = tf.clip_by_global_norm(grads, clip_norm, use_norm=norm)
        # Keras sums over the replicas again.
        optimizer.apply([gradient / replicas for gradient in grads], variables)
        return loss_sum, count, norm

    # XLA compiles each batch shape separately. Otherwise one trace serves all shapes from the
    # first step on, since recurrent layers choose their loop by the traced shape.
    @functools.cache
    def compiled(shapes):
        fields = tuple(tf.TensorSpec(shape, dtype) for shape, dtype in shapes)
        return tf.function(
            lambda batch, step: strategy.run(replica_step, args=(batch, step)),
            # TensorFlow supports no signature for per-replica values.
            input_signature=[fields, tf.TensorSpec([], tf.int32)] if replicas == 1 else None,
            jit_compile=jit_compile and replicas == 1,
            reduce_retracing=replicas > 1 and not jit_compile,
            autograph=False,
        )

    def train_step(batch, step):
        shapes = tuple(
            (tuple(field.shape) if jit_compile else (None,) * len(field.shape), field.dtype)
            for field in batch
        )
        results = compiled(shapes)(_split(batch, strategy), tf.constant(step, tf.int32))
        # After the reduction all replicas have the same three numbers.
        return tuple(strategy.experimental_local_results(result)[0] for result in results)

    return train_step


def _split(batch, strategy):
    """Distributes the rows to the replicas."""
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return tuple(tf.constant(field) for field in batch)

    def rows(context):
        index = context.replica_id_in_sync_group
        return tuple(
            tf.constant(
                field[index * len(field) // replicas : (index + 1) * len(field) // replicas]
            )
            for field in batch
        )

    return strategy.experimental_distribute_values_from_function(rows)


def _seeds(seed_states, seed, step, replica):
    """A fresh state for each random number generator of the model."""
    folded = _fold(seed, 0, step, replica)
    return [
        (state, tf.cast(folded + tf.constant([0, index], tf.int32) * 65_537, state.dtype))
        for index, state in enumerate(seed_states)
    ]


def _fold(seed, purpose, step, replica):
    """A seed, int32 `(2,)`, derived from these four numbers."""
    folded = tf.constant([seed & 0x7FFFFFFF, purpose], tf.int32)
    for number in (step, replica):
        folded = tf.random.experimental.stateless_fold_in(folded, number)  # pyright: ignore
    return folded
