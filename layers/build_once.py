"""Building a layer once."""

import functools


def build_once(build):
    """Makes a layer's `build` do nothing where the layer is built.

    Keras builds on the first call, and `load_model` and users may build before and after
    it. Weights that are there stay as they are.

    Args:
        build: a method `build` of a layer or a model.

    Example:
        >>> from attention_zoo.layers import Linear
        >>> layer = Linear(2)
        >>> layer.build((None, None, 3))
        >>> kernel = layer.kernel
        >>> layer.build((None, None, 3))
        >>> layer.kernel is kernel
        True
    """

    @functools.wraps(build)
    def build_unless_built(self, *shapes, **named_shapes):
        if not self.built:
            build(self, *shapes, **named_shapes)

    return build_unless_built
