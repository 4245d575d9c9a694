"""Keras 3: the model in Keras's own layers, ids in and numbers out."""

from typing import ClassVar

from attention_zoo.export.formats.base import Format, register_format
from attention_zoo.export.formats.snippets import labels_line

_TEMPLATE = """### {heading}, Python

```python
import numpy as np
import {module}

model = {module}.models.load_model("{file}", compile=False)
inputs = {{{items}}}
outputs = model({{name: np.array(ids, "int32") for name, ids in inputs.items()}}){labels}
```"""
# Target ids under teacher forcing, which the report's example does not have.
_TARGET_IDS = [2, 4]


class StockLayersFormat(Format):
    """What the two formats that contain only Keras layers share.

    Attributes:
        loads_with: the name and the module of the library that loads the file.
    """

    runner = "run_keras.py"
    loads_with: ClassVar[tuple[str, str]]

    def why_not(self, task):
        """See `Format`."""
        from attention_zoo.export.portable import why_not_portable

        return why_not_portable(task)

    def answers(self, task):
        """See `Format`; Keras's layers do not decode."""
        return not task.decodes

    def load_example(self, artefact, report):
        """See `Format`."""
        if not artefact.signatures:
            return ""
        items = []
        for name, kind in artefact.signatures["model"]["inputs"].items():
            length = int(kind.rstrip("]").split(", ")[1])
            ids = report.example.get(name, _TARGET_IDS)
            padding = "" if length == -1 else f" + [0] * {length - len(ids)}"
            items.append(f'"{name}": [{ids}{padding}]')
        heading, module = self.loads_with
        return _TEMPLATE.format(
            file=artefact.file,
            heading=heading,
            module=module,
            items=", ".join(items),
            labels=labels_line(report),
        )


@register_format
class Keras(StockLayersFormat):
    """A `.keras` file for any batch size and length."""

    name = "keras"
    file = "model.keras"
    loads_with = ("Keras", "keras")

    def write(self, task, path, quantize, examples, passes):
        """See `Format`."""
        from attention_zoo.export.keras_3 import write_keras

        write_keras(task, path)
        return []

    def engine(self, path):
        """See `Format`."""
        from attention_zoo.export.engines import KerasFileEngine

        return KerasFileEngine(path)
