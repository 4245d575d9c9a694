"""One step of training, on every replica of a strategy at once.

Four habits of Keras would change results here, and are avoided:

- Keras optimizers treat the rows of a sparse gradient one by one, also when an id
  occurs twice: gradients of embeddings are made dense first.
- They clip on each replica before the gradients are summed: we sum, then clip.
- Dropout draws the same masks on every replica, and its state is in no checkpoint:
  every mask here is a function of (seed, step, replica), so there is no state.
- A mean over a replica's own tokens weighs replicas wrongly: we divide the sum of all
  gradients by the number of all target tokens.
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
        task: its `loss` is minimised; its model was made in the strategy's scope.
        optimizer: a built Keras optimizer, made in the strategy's scope.
        strategy: a `tf.distribute.Strategy`.
        label_smoothing: handed to the loss.
        clip_norm: largest global norm of the gradient, or None.
        seed: of the dropout masks and of whatever else is drawn.
        jit_compile: compile with XLA: with one replica the whole step, with several
            forward and backward pass (the rest talks to other replicas).
        loss_options: a function from the step, an int32 scalar, to further arguments of the
            loss, a dict; None for none.
        variables: the weights to train, those that the optimizer was built for; all
            trainable ones of the model when omitted.

    Returns:
        A function `(batch, step) -> (sum of losses, number of targets, gradient norm)`,
        batch a tuple of arrays with equally many rows for each replica, step an
        integer from 0.
    """
    replicas = strategy.num_replicas_in_sync
    variables = task.model.trainable_variables if variables is None else variables
    seed_states = [v for v in task.model.variables if v.path.endswith("seed_generator_state")]

    def options(step, replica):
        more = {} if loss_options is None else loss_options(step)
        return {"seed": _fold(seed, 1, step, replica), **more}

    def gradients(batch, step, replica):
        drawn = _seeds(seed_states, seed, step, replica)
        # Only what is watched is followed back: nothing below frozen layers.
        tape = tf.GradientTape(watch_accessed_variables=False)
        with keras.StatelessScope(state_mapping=drawn), tape:
            tape.watch([v.value for v in variables])
            loss_sum, count = task.loss(
                batch, training=True, label_smoothing=label_smoothing, **options(step, replica)
            )
        found = tape.gradient(loss_sum, [v.value for v in variables])
        return [tf.convert_to_tensor(gradient) for gradient in found], loss_sum, count

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
        # Keras sums over the replicas once more.
        optimizer.apply([gradient / replicas for gradient in grads], variables)
        return loss_sum, count, norm

    # XLA compiles each shape of batch for itself. Without it one trace serves all shapes,
    # from the first step on, since recurrent layers choose their loop by it.
    @functools.cache
    def compiled(shapes):
        fields = tuple(tf.TensorSpec(shape, dtype) for shape, dtype in shapes)
        return tf.function(
            lambda batch, step: strategy.run(replica_step, args=(batch, step)),
            # TensorFlow takes no signature for values that lie on several replicas.
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
        # After the sum every replica holds the same three numbers.
        return tuple(strategy.experimental_local_results(result)[0] for result in results)

    return train_step


def _split(batch, strategy):
    """Hands each replica its rows."""
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return tuple(tf.constant(field) for field in batch)

    def rows(context):
        number = context.replica_id_in_sync_group
        return tuple(
            tf.constant(
                field[number * len(field) // replicas : (number + 1) * len(field) // replicas]
            )
            for field in batch
        )

    return strategy.experimental_distribute_values_from_function(rows)


def _seeds(seed_states, seed, step, replica):
    """A fresh state for each random number generator of the model."""
    folded = _fold(seed, 0, step, replica)
    return [
        (state, tf.cast(folded + tf.constant([0, number], tf.int32) * 65_537, state.dtype))
        for number, state in enumerate(seed_states)
    ]


def _fold(seed, purpose, step, replica):
    """A seed, int32 `(2,)`, that is a function of these four numbers."""
    folded = tf.constant([seed & 0x7FFFFFFF, purpose], tf.int32)
    for number in (step, replica):
        folded = tf.random.experimental.stateless_fold_in(folded, number)  # pyright: ignore
    return folded
