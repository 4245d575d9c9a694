"""Masks: those that are handed over, and those that Keras attaches to tensors."""

import keras
from keras import ops


class KerasMask(keras.layers.Layer):
    """Gives the mask that Keras has attached to a tensor, None where there is none.

    `keras.layers.Embedding(mask_zero=True)` and `keras.layers.Masking` attach one, and
    layers hand it on. Keras has one public way to read it: to be the layer that is called.

    Call arguments:
        inputs: a tensor.
        mask: filled in by Keras.

    Returns:
        Boolean tensor `(B, T)`, True where there is a token; or None.

    Example:
        >>> embedded = keras.layers.Embedding(9, 4, mask_zero=True)(np.array([[5, 0]]))
        >>> KerasMask()(embedded).numpy().tolist()
        [[True, False]]
        >>> KerasMask()(np.ones((1, 2, 4)))
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.built = True  # there is nothing to make

    def call(self, inputs, mask=None):
        """The mask of the inputs."""
        return mask

    def compute_mask(self, inputs, previous_mask):
        """None: a mask has no mask."""
        return None


def join_masks(*masks):
    """What all masks allow, those that are None aside.

    Args:
        *masks: boolean tensors `(B, S)` or `(B, T, S)`, True = may attend; or None.

    Returns:
        A mask `(B, T or 1, S)`; as it is, if it is the only one; or None.

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
