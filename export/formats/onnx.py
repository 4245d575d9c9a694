"""ONNX: ids in, ids or numbers out, one file per signature."""

from attention_zoo.export.formats.base import Format, register_format

_TEMPLATE = """### ONNX, Python

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{file}/serving_default.onnx")
outputs = session.run(None, {{{items}}}){labels}
```

{about}"""


@register_format
class ONNX(Format):
    """Files for onnxruntime, OpenVINO and others; the decoding loop is part of the graph."""

    name = "onnx"
    file = "onnx"
    runner = "run_onnx.py"
    packages = ("tf2onnx", "onnxruntime")
    extra = "onnx"
    template = _TEMPLATE

    def write(self, task, path, quantize, examples, passes):
        """See `Format`."""
        from attention_zoo.export.onnx_graphs import write_onnx

        write_onnx(task, path)
        return []

    def operators(self, path):
        """See `Format`."""
        from attention_zoo.export.onnx_graphs import OPSET

        return f"those of ONNX's default domain, operator set {OPSET}"

    def engine(self, path):
        """See `Format`."""
        from attention_zoo.export.engines import ArtefactEngine, run_by
        from attention_zoo.export.runners.run_onnx import load

        return ArtefactEngine(path, run_by(path, load), "an ONNX export")
