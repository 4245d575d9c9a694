"""Keras 2: the model in layers of tf_keras and TensorFlow before 2.16."""

from attention_zoo.export.formats.base import register_format
from attention_zoo.export.formats.keras import StockLayersFormat


@register_format
class H5(StockLayersFormat):
    """A `.h5` file for inputs of the maximum lengths."""

    name = "h5"
    file = "model.h5"
    conditions = ("threads", "none", "one")
    is_padded = True
    packages = ("tf_keras",)
    extra = "h5"
    loads_with = ("Keras 2", "tf_keras")

    def write(self, task, path, quantize, examples, passes):
        """See `Format`."""
        from attention_zoo.export.keras_2 import write_h5

        write_h5(task, path)
        return []

    def engine(self, path):
        """See `Format`."""
        from attention_zoo.export.engines import KerasFileEngine

        return KerasFileEngine(path)
