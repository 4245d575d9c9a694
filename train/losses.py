"""Losses as sums over targets, to be normalised over all replicas together."""

from keras import ops


def smoothed_cross_entropy(logits, targets, mask, label_smoothing=0.0):
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
    normaliser = ops.logsumexp(logits, axis=-1)
    at_target = ops.squeeze(ops.take_along_axis(logits, ops.expand_dims(targets, -1), -1), -1)
    losses = normaliser - (1.0 - label_smoothing) * at_target
    if label_smoothing:
        losses = losses - label_smoothing * ops.mean(logits, axis=-1)
    counted = ops.cast(mask, "float32")
    return ops.sum(losses * counted), ops.sum(counted)
