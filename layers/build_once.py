"""A decorator for `build` methods."""

import functools


def build_once(build):
    """Decorates `build` so that a second call does nothing.

    Keras builds on the first call, but `load_model` and users may call `build` before or after
    that. Existing weights are then kept.

    Args:
        build: the `build` method of a layer or model.

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
