"""Reads checkpoints of google-research/bert, written by TensorFlow 1."""

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.files import require_regular


def read_checkpoint(folder):
    """Reads the arrays of the only checkpoint in a folder.

    Args:
        folder: a `Path`, with `*.ckpt.index` and `*.ckpt.data-*`.

    Returns:
        A dict from name to array.

    Raises:
        UserError: if there is not exactly one, a file is damaged, or is smaller than its
            numbers.
    """
    indices = sorted(folder.glob("*.ckpt*.index"))
    if len(indices) != 1:
        names = ", ".join(path.name for path in indices) or "none"
        raise UserError(f"{folder}: one checkpoint is needed (*.ckpt.index), found {names}")
    prefix = indices[0].with_suffix("")
    data = sorted(folder.glob(f"{prefix.name}.data-*"))
    for path in (indices[0], *data):
        require_regular(path)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        needed = sum(np.prod(s, dtype=object) * types[name].size for name, s in shapes.items())
        if needed > sum(path.stat().st_size for path in data):
            raise ValueError(f"its numbers need {needed:,} bytes, and it has fewer")
        return {name: np.asarray(reader.get_tensor(name)) for name in shapes}
    # TensorFlow raises many types of errors for damaged files.
    except Exception as error:
        raise UserError(f"{indices[0]} is damaged: {error}") from error
