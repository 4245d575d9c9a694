"""Settings of attention layers that some export formats need to be different."""

import contextlib

from attention_zoo.layers.keras_internals import sublayers


@contextlib.contextmanager
def graph_settings(model, **settings):
    """Within the block, the layers of a model have other settings; trace its graph there.

    Args:
        model: a layer or model. It is changed, so do not trace it in another thread meanwhile.
        **settings: new values of these attributes of layers:

            masked_score: score of a key that must not be attended to, -1e9 by default. In
                graphs with 8-bit activations the range of the scores is divided into 256
                steps, and -1e9 would leave no difference between the others.
            writes_in_place: whether a cache is written by `slice_update`, False by default.
                LiteRT and XLA have an operator for it that does not copy the cache. Plain
                TensorFlow would need `XlaDynamicUpdateSlice`, which servers without XLA refuse.

    Example:
        >>> from attention_zoo.layers import ScaledDotProductAttention
        >>> layer, key = ScaledDotProductAttention(), np.zeros((1, 2, 1), "float32")
        >>> with graph_settings(layer, masked_score=-2.0):
        ...     mask = np.array([[True, False]])
        ...     _, weights = layer(key, key, attention_mask=mask, return_weights=True)
        >>> round(float(weights[0, 0, 0]), 3)
        0.881
    """
    changed = [
        (layer, name, getattr(layer, name))
        for layer in sublayers(model)
        for name in settings
        if hasattr(layer, name)
    ]
    try:
        for layer, name, _ in changed:
            setattr(layer, name, settings[name])
        yield
    finally:
        for layer, name, old in changed:
            setattr(layer, name, old)
