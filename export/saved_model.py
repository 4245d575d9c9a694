"""SavedModel: strings in, strings out, with the tokenizers inside."""

import tensorflow as tf


def write_saved_model(task, directory, names=None):
    """Writes a task as a SavedModel with the signatures of `task.signatures()`.

    Its operators are TensorFlow's and tensorflow-text's, which TF Serving has both.

    Args:
        task: a task.
        directory: where to write; for TF Serving its name is a version number.
        names: of the signatures; all when omitted.
    """
    module = tf.Module()
    # A Keras model tracked as a whole loses weights on conversion; plain variables do not.
    module.weights = [variable.value for variable in task.model.variables]
    module.tokenizers = list(task.tokenizers().values())
    signatures = {
        name: tf.function(function, input_signature=specs, autograph=False).get_concrete_function()
        for name, (function, specs) in task.signatures().items()
        if names is None or name in names
    }
    tf.saved_model.save(module, str(directory), signatures=signatures)
