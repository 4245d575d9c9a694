"""Checks the backend of Keras. Layers and models support any; all else needs TensorFlow."""

from attention_zoo.errors import UserError


def require_tensorflow_backend():
    """Ensures that Keras runs on TensorFlow.

    Tokenizers, decoding, training and exporting use TensorFlow graphs. Keras chooses its backend
    when it is imported.

    Raises:
        UserError: if Keras runs on another backend, or cannot be imported.
    """
    try:
        import keras
    except (ImportError, ValueError) as error:
        raise UserError(f"Keras cannot be imported ({error}); {_WHAT_TO_DO}") from error
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise UserError(
            f"Keras runs on {backend}, which supports only the layers and models of "
            f"attention_zoo.layers and attention_zoo.zoo; {_WHAT_TO_DO}"
        )


_WHAT_TO_DO = (
    "tasks need its TensorFlow backend: set KERAS_BACKEND=tensorflow in the environment "
    'before Keras is imported, or "backend": "tensorflow" in ~/.keras/keras.json'
)
