"""From the states of the tokens of a text to one vector."""

from typing import Any

from keras import ops

POOLINGS = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


def pool_states(states, mask, modes=("mean",)):
    r"""Pools states by one mode or several, whose vectors are joined in this order.

    The names are those of sentence-transformers ("Sentence-BERT", Reimers and Gurevych 2019,
    section 3): `"mean"` of all states; `"cls"`, the first; `"max"` of each component;
    `"mean_sqrt_len_tokens"`, their sum over the square root of their number; `"weightedmean"`, in
    which the state at position t, from 1, has weight t (Muennighoff 2022, section 4.1); and
    `"lasttoken"`, the last.

    Args:
        states: float tensor `(B, T, D)`.
        mask: integer or boolean tensor `(B, T)`, 0 for padding, which is at the end.
        modes: names of `POOLINGS`.

    Returns:
        Float32 tensor `(B, len(modes) * D)`; 0 for a row of padding, but for `"cls"` and `"max"`.

    Raises:
        ValueError: if a mode is unknown.

    Example:
        >>> states = np.array([[[1.0], [3.0], [9.0]]], "float32")
        >>> pool_states(states, np.array([[1, 1, 0]]), ["mean", "max", "lasttoken"]).numpy()[0]
        array([2., 3., 3.], dtype=float32)
    """
    unknown = [mode for mode in modes if mode not in POOLINGS]
    if unknown or not modes:
        raise ValueError(f"poolings must be of {POOLINGS}, received {list(modes)}")
    states_BTD: Any = ops.cast(states, "float32")
    mask_BT1: Any = ops.expand_dims(ops.cast(mask, "float32"), 2)
    place_BT1: Any = ops.cumsum(mask_BT1, axis=1)
    length_B1: Any = ops.sum(mask_BT1, axis=1)
    floor = 1e-9  # for rows that are all padding

    def weighted(weights_BT1: Any, divisor_B1: Any) -> Any:
        return ops.sum(states_BTD * weights_BT1, axis=1) / ops.maximum(divisor_B1, floor)

    def pool(mode: str) -> Any:
        if mode == "cls":
            return states_BTD[:, 0]
        if mode == "max":
            return ops.max(ops.where(mask_BT1 > 0, states_BTD, -1e9), axis=1)
        if mode == "mean":
            return weighted(mask_BT1, length_B1)
        if mode == "mean_sqrt_len_tokens":
            return weighted(mask_BT1, ops.sqrt(length_B1))
        if mode == "weightedmean":
            weights_BT1 = mask_BT1 * place_BT1
            return weighted(weights_BT1, ops.sum(weights_BT1, axis=1))
        length_B11: Any = ops.expand_dims(length_B1, 1)
        is_last_BT1 = ops.cast(ops.equal(place_BT1, length_B11), "float32") * mask_BT1
        return weighted(is_last_BT1, ops.ones_like(length_B1))

    return ops.concatenate([pool(mode) for mode in modes], axis=-1)
