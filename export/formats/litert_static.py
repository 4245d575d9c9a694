"""LiteRT for one example of the maximum length, as phone accelerators require."""

from attention_zoo.export.formats.base import QUANTIZATIONS, register_format
from attention_zoo.export.formats.litert import LiteRTFormat

_TEMPLATE = """### LiteRT's CompiledModel, Python

For one example, padded with 0. {about}

```python
import numpy as np
from ai_edge_litert.compiled_model import CompiledModel

model = CompiledModel.from_file("{file}")
index = model.get_signature_index("serving_default")
names = model.get_signature_list()["serving_default"]
inputs, buffers = model.create_input_buffers(index), model.create_output_buffers(index)
ids = {{{items}}}
for name, buffer in zip(names["inputs"], inputs):
    length = model.get_input_tensor_details("serving_default")[name]["shape"][1]
    buffer.write(np.pad(ids[name], [(0, 0), (0, length - ids[name].shape[1])]))
model.run_by_index(index, inputs, buffers)
details = model.get_output_tensor_details("serving_default")
outputs = {{
    name: buffer.read(int(np.prod(details[name]["shape"])), np.dtype(details[name]["dtype"]))
    for name, buffer in zip(names["outputs"], buffers)
}}{labels}
```

### LiteRT's CompiledModel, C++ (not compiled here)

```cpp
LITERT_ASSIGN_OR_RETURN(auto env, litert::Environment::Create({{}}));
LITERT_ASSIGN_OR_RETURN(
    auto model, litert::CompiledModel::Create(env, "{file}", kLiteRtHwAcceleratorCpu));
LITERT_ASSIGN_OR_RETURN(auto inputs, model.CreateInputBuffers());  // {order}
LITERT_ASSIGN_OR_RETURN(auto outputs, model.CreateOutputBuffers());
inputs[0].Write<int32_t>(absl::MakeConstSpan(padded_ids));
model.Run(inputs, outputs);
```

### LiteRT's CompiledModel, Kotlin (not compiled here)

```kotlin
val model = CompiledModel.create(context.assets, "{file}", CompiledModel.Options(Accelerator.CPU))
val inputs = model.createInputBuffers()  // {order}
val outputs = model.createOutputBuffers()
inputs[0].writeInt(paddedIds)
model.run(inputs, outputs)
```"""


@register_format
class LiteRTStatic(LiteRTFormat):
    """A file with fixed shapes, whose inputs are padded with 0."""

    name = "litert_static"
    file = "static.tflite"
    runner = "run_litert.py"
    other_runners = {"CompiledModel": "run_litert_compiled.py"}  # noqa: RUF012
    quantizations = QUANTIZATIONS[:-1]
    conditions = ("threads", "one")
    is_padded = True
    template = _TEMPLATE

    def quantizations_for(self, task):
        """See `Format`."""
        # For a decoding loop with fixed shapes, TensorFlow 2.21's converter crashes with a
        # segmentation fault when it measures ranges.
        return tuple(q for q in self.quantizations if not (task.decodes and q == "full_int8"))

    def convert(self, task, path, quantize, examples):
        """See `LiteRTFormat`."""
        from attention_zoo.export.litert import write_litert_static

        write_litert_static(task, path, quantize, examples)
