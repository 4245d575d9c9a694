"""SavedModel: strings in, strings out, with the tokenizers inside."""

from attention_zoo.export.formats.base import Format, register_format

_TEMPLATE = """### SavedModel, Python

```python
import tensorflow as tf
import tensorflow_text  # the operators of the tokenizers

serve = tf.saved_model.load("{file}").signatures["serving_default"]
outputs = serve({arguments})
print({{name: values.numpy() for name, values in outputs.items()}})
```

### SavedModel, TF Serving

```sh
docker run --rm -p 8501:8501 -e MODEL_NAME={model} \\
  -v "$PWD/saved_model:/models/{model}" tensorflow/serving
curl -d '{{"inputs": {json}}}' http://localhost:8501/v1/models/{model}:predict
```"""


@register_format
class SavedModel(Format):
    """A model for TensorFlow and TF Serving, with every signature of the task."""

    name = "saved_model"
    file = "saved_model/1"
    runner = "run_saved_model.py"
    takes_strings = True
    is_whole = True
    template = _TEMPLATE

    def write(self, task, path, quantize, examples, passes):
        """See `Format`."""
        from attention_zoo.export.saved_model import write_saved_model

        write_saved_model(task, path)
        return []

    def engine(self, path):
        """See `Format`."""
        from attention_zoo.export.engines import SavedModelEngine

        return SavedModelEngine(path)
