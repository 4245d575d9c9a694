"""Losses as sums over targets, to be normalised over all replicas together."""

from typing import Any

from keras import ops


def smoothed_cross_entropy(logits, targets, mask, label_smoothing=0.0) -> tuple[Any, Any]:
    r"""Cross-entropy with label smoothing, summed over the targets that count.

    The target distribution is `1 - label_smoothing` on the target plus
    `label_smoothing` spread evenly over the vocabulary (Szegedy et al. 2016, section
    7; "Attention Is All You Need", section 5.4). The constant entropy of that
    distribution is not subtracted, so the best possible loss is above zero.

    Args:
        logits: float tensor `(..., V)`.
        targets: integer tensor `(...)`.
        mask: boolean tensor `(...)`, True where the target counts; or float weights.
        label_smoothing: 0 to 1.

    Returns:
        Float32 scalars: the sum of the losses, and the number of targets that count.

    Example:
        >>> logits, target = np.zeros((1, 1, 4), "float32"), np.array([[2]])
        >>> loss, count = smoothed_cross_entropy(logits, target, target > 0)
        >>> round(float(loss), 4), float(count)
        (1.3863, 1.0)
    """
    logits = ops.cast(logits, "float32")
    # Written so that the only further tensor of the size of the logits is their gradient:
    # -sum_v q_v log p_v = logsumexp(logits) - (1 - e) logit_target - e mean(logits).
    normaliser: Any = ops.logsumexp(logits, axis=-1)
    at_target: Any = ops.squeeze(ops.take_along_axis(logits, ops.expand_dims(targets, -1), -1), -1)
    losses = normaliser - (1.0 - label_smoothing) * at_target
    if label_smoothing:
        mean: Any = ops.mean(logits, axis=-1)
        losses = losses - label_smoothing * mean
    counted = ops.cast(mask, "float32")
    return ops.sum(losses * counted), ops.sum(counted)


def symmetric_divergence(logits, mask) -> Any:
    r"""The term of R-Drop: how far two predictions for the same targets are apart.

    Half the sum of both Kullback-Leibler divergences, summed over the targets that count
    ("R-Drop: Regularized Dropout for Neural Networks", Liang et al. 2021, equation 2).

    Args:
        logits: float tensor `(2 B, ..., V)`; row i and row B + i are the two predictions.
        mask: boolean tensor `(B, ...)`, True where the target counts; or float weights.

    Returns:
        A float32 scalar.

    Example:
        >>> logits = np.log([[[0.5, 0.5]], [[0.75, 0.25]]]).astype("float32")
        >>> expected = 0.5 * (0.75 - 0.5) * np.log(0.75 / 0.25)
        >>> bool(np.isclose(symmetric_divergence(logits, np.array([[True]])), expected))
        True
    """
    halves: Any = ops.split(ops.log_softmax(ops.cast(logits, "float32"), axis=-1), 2)
    log_p, log_q = halves
    # KL(p, q) + KL(q, p) = sum_v (p_v - q_v) (log p_v - log q_v).
    change: Any = ops.subtract(ops.exp(log_p), ops.exp(log_q))
    divergences: Any = ops.sum(change * (log_p - log_q), axis=-1)
    total: Any = ops.sum(divergences * ops.cast(mask, "float32"))
    return 0.5 * total


def with_teacher(sums, weight, expected, logits, mask) -> tuple[Any, Any]:
    r"""The loss of a batch, and the cross-entropy with what a teacher expects.

    Args:
        sums: the sum of the losses, and the number of targets.
        weight: of the teacher, 0 to 1.
        expected: float tensor `(..., V)`, the teacher's probabilities.
        logits: float tensor `(..., V)`.
        mask: boolean tensor `(...)`, True where the target counts; or float weights.

    Returns:
        The same sums, the first with the share of the teacher.

    Example:
        >>> sums = with_teacher((1.0, 1), 0.5, [[0.5, 0.5]], np.zeros((1, 2), "float32"), [True])
        >>> bool(np.isclose(sums[0], 0.5 * 1.0 + 0.5 * np.log(2.0)))
        True
    """
    loss, count = sums
    logs: Any = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    likely: Any = ops.sum(ops.multiply(expected, logs), axis=-1)
    of_teacher: Any = ops.sum(likely * ops.cast(mask, "float32"))
    return (1.0 - weight) * loss - weight * of_teacher, count


def twice(batch) -> tuple[Any, ...]:
    """A batch with each row a second time, in the second half, for R-Drop."""
    return tuple(ops.concatenate([field, field]) for field in batch)


def with_r_drop(sums, alpha, logits, mask) -> tuple[Any, Any]:
    """The loss of a batch of `twice`: the mean of both passes, and their divergence.

    Args:
        sums: the sum of the losses of both passes, and the number of their targets.
        alpha: the weight of the divergence.
        logits: float tensor `(2 B, ..., V)`.
        mask: `(2 B, ...)`, which targets count.

    Returns:
        The sum of the losses and the number of targets, for one pass.
    """
    loss, count = sums
    halves: Any = ops.split(mask, 2)
    return (loss + alpha * symmetric_divergence(logits, halves[0])) / 2, count / 2
