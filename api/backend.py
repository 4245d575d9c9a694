"""Which of its backends Keras runs on. Layers and models take any; all else is TensorFlow."""

from attention_zoo.errors import UserError


def require_tensorflow_backend():
    """Makes sure that Keras runs on TensorFlow.

    Tokenizers, decoding, training and exporting are TensorFlow's graphs. Keras reads its
    choice when it is imported, and keeps it.

    Raises:
        UserError: if Keras runs on another backend, or that does not start.
    """
    try:
        import keras
    except (ImportError, ValueError) as error:
        raise UserError(f"Keras does not start ({error}); {_WHAT_TO_DO}") from error
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise UserError(
            f"Keras runs on {backend}, where there are only the layers and models of "
            f"attention_zoo.layers and attention_zoo.zoo; {_WHAT_TO_DO}"
        )


_WHAT_TO_DO = (
    "tasks need its TensorFlow backend: set KERAS_BACKEND=tensorflow in the environment "
    'before Keras is imported, or "backend": "tensorflow" in ~/.keras/keras.json'
)
