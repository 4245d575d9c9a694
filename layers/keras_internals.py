"""The private functions of Keras that have no public equivalent, in one place.

`tests/layers/test_keras_internals.py` says whether the installed version still has them.
"""


def sublayers(layer):
    """All layers in a layer or model, at any depth, including itself.

    Example:
        >>> from attention_zoo.layers import AddNorm
        >>> [type(layer).__name__ for layer in sublayers(AddNorm())]
        ['AddNorm', 'Dropout', 'LayerNormalization']
    """
    return list(layer._flatten_layers())


def variable_key(optimizer, variable):
    """A hashable key of a variable, the same for a Keras variable and the backend's own.

    `update_step` of an optimizer is given the backend's variables, which have no path, and in a
    distribution strategy one variable for each replica.
    """
    return optimizer._var_key(variable)
