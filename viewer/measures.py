"""Numbers that summarise attention weights."""

import numpy as np


def attention_entropy(weights):
    """The entropy of attention: 0 if a token attends to one other, log2 S if to all equally.

    Args:
        weights: float array `(..., T, S)` whose rows sum to 1.

    Returns:
        Float array `(..., T)`, in bits.

    Example:
        >>> attention_entropy(np.array([[1.0, 0.0], [0.5, 0.5]])).tolist()
        [0.0, 1.0]
    """
    weights = np.asarray(weights, "float64")
    logs = np.log2(np.where(weights > 0, weights, 1.0))
    return 0.0 - (weights * logs).sum(axis=-1)


def attention_rollout(weights):
    """Attention through several blocks of self-attention, at once.

    A block passes on half of each position unchanged, by its residual connection, and the other
    half as the mean of its heads attends; a product of matrices follows that from block to block
    (Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", section 3).

    Args:
        weights: float array `(blocks, heads, T, T)` whose rows sum to 1.

    Returns:
        Float array `(blocks, T, T)`: for each block, how much of each position of the first
        block's input is in each position of its output. Rows sum to 1.

    Example:
        >>> to_the_first = np.array([[[[1.0, 0.0], [1.0, 0.0]]]] * 2)
        >>> attention_rollout(to_the_first)[1].tolist()
        [[1.0, 0.0], [0.75, 0.25]]
    """
    weights = np.asarray(weights, "float64")
    mixed = 0.5 * weights.mean(axis=1) + 0.5 * np.eye(weights.shape[-1])
    rollout = [mixed[0]]
    for block in mixed[1:]:
        rollout.append(block @ rollout[-1])
    return np.stack(rollout)
