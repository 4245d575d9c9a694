"""The base class of all layers: `get_config` derived from the constructor's signature."""

import inspect

import keras


class Layer(keras.layers.Layer):
    """A Keras layer whose constructor arguments are attributes of the same names.

    `get_config` then follows from the signature, see `arguments_of`. Masks that Keras attaches
    to inputs are passed on to outputs.

    Example:
        >>> class Scale(Layer):
        ...     def __init__(self, factor=2.0, **kwargs):
        ...         super().__init__(**kwargs)
        ...         self.factor = factor
        >>> Scale(3.0, name="triple", dtype="float32").get_config()["factor"]
        3.0
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def get_config(self):
        """All constructor arguments."""
        return {**super().get_config(), **arguments_of(self)}


def constructor_arguments(cls):
    """The constructor arguments of a layer or model class.

    A constructor that takes `**kwargs` passes them on, so the arguments of its base class
    count too. Those of Keras's own base classes (`name`, `dtype`, `trainable`) do not.

    Args:
        cls: the class.

    Returns:
        A dict from name to default value, `inspect.Parameter.empty` for a required argument.

    Example:
        >>> from attention_zoo.layers import AddNorm
        >>> constructor_arguments(AddNorm)
        {'norm': 'post', 'dropout': 0.0, 'epsilon': 1e-06}
    """
    arguments = {}
    for base in cls.__mro__:
        if base.__module__.split(".")[0] == "keras":
            break
        if "__init__" in vars(base):
            _self, *parameters = inspect.signature(base.__init__).parameters.values()
            named = {p.name: p.default for p in parameters if p.kind is not p.VAR_KEYWORD}
            arguments = {**named, **arguments}
            if len(named) == len(parameters):
                break
    return arguments


def arguments_of(layer):
    """The constructor arguments of a layer or model, read from its attributes.

    Args:
        layer: a layer or model whose constructor stores each argument under its own name.

    Returns:
        A dict from name to value.

    Raises:
        TypeError: naming the arguments that are not stored.
    """
    names = constructor_arguments(type(layer))
    missing = [name for name in names if not hasattr(layer, name)]
    if missing:
        raise TypeError(
            f"get_config needs every constructor argument as an attribute of the same name; "
            f"{type(layer).__name__} lacks {', '.join(missing)}"
        )
    return {name: getattr(layer, name) for name in names}
