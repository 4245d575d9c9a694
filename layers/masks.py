"""Masks: combining those given as arguments with those that Keras attaches to tensors."""

import keras
from keras import ops


class KerasMask(keras.layers.Layer):
    """Returns the mask that Keras has attached to a tensor, or None.

    `keras.layers.Embedding(mask_zero=True)` and `keras.layers.Masking` attach one, and
    layers pass it on. The only public way to read it is the `mask` argument of a layer's call.

    Call arguments:
        inputs: a tensor.
        mask: supplied by Keras.

    Returns:
        Boolean tensor `(B, T)`, True = token; or None.

    Example:
        >>> embedded = keras.layers.Embedding(9, 4, mask_zero=True)(np.array([[5, 0]]))
        >>> KerasMask()(embedded).numpy().tolist()
        [[True, False]]
        >>> KerasMask()(np.ones((1, 2, 4)))
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.built = True  # no weights

    def call(self, inputs, mask=None):
        """Returns the mask."""
        return mask

    def compute_mask(self, inputs, previous_mask):
        """None: the output is itself a mask."""
        return None


def join_masks(*masks):
    """Combines masks by logical and, ignoring None.

    Args:
        *masks: boolean tensors `(B, S)` or `(B, T, S)`, True = may attend; or None.

    Returns:
        A mask `(B, T or 1, S)`; the mask itself if there is only one; None if there is none.

    Example:
        >>> join_masks(np.array([[True, True]]), None, np.array([[[True, False]]])).numpy().tolist()
        [[[True, False]]]
    """
    masks = [mask for mask in masks if mask is not None]
    if len({len(mask.shape) for mask in masks}) > 1:
        masks = [ops.expand_dims(mask, 1) if len(mask.shape) == 2 else mask for mask in masks]
    joined = masks[0] if masks else None
    for mask in masks[1:]:
        joined = ops.logical_and(joined, mask)
    return joined
