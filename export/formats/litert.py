"""LiteRT (TFLite): ids in, ids or numbers out, with builtin operators only."""

import abc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attention_zoo.export.formats.base import QUANTIZATIONS, Format, register_format

_TEMPLATE = """### LiteRT, Python

`attention_zoo.load("{file}")` puts the tokenizers around the file. {about}

```python
import numpy as np
from ai_edge_litert.interpreter import Interpreter

run = Interpreter("{file}", num_threads=1).get_signature_runner("serving_default")
outputs = run({arrays}){labels}
```

An interpreter is not thread-safe. Clients without support for signatures (`Interpreter.invoke()`)
can run `serving_default` too: it is the file's first subgraph.

### LiteRT, C++

```cpp
{cpp}
auto model = tflite::FlatBufferModel::BuildFromFile("{file}");
tflite::ops::builtin::BuiltinOpResolver operators;
std::unique_ptr<tflite::Interpreter> interpreter;
tflite::InterpreterBuilder(*model, operators)(&interpreter);
tflite::SignatureRunner* runner = interpreter->GetSignatureRunner("serving_default");
for (auto& [name, row] : ids) runner->ResizeInputTensor(name, {{1, int(row.size())}});
runner->AllocateTensors();
for (auto& [name, row] : ids)
  std::copy(row.begin(), row.end(), runner->input_tensor(name)->data.i32);
runner->Invoke();
const TfLiteTensor* {output} = runner->output_tensor("{output}");
```

### LiteRT, Kotlin

```kotlin
val interpreter = Interpreter(File("{file}"))
val inputs = mapOf({pairs})
val outputs = mutableMapOf<String, Any>("{output}" to {output})  // an array of its shape
interpreter.runSignature(inputs, outputs, "serving_default")
```"""


class LiteRTFormat(Format):
    """What the formats that are LiteRT files share."""

    quantizations = QUANTIZATIONS

    @abc.abstractmethod
    def convert(
        self, task: Any, path: Path, quantize: str, examples: Sequence[tuple[str, ...]]
    ) -> None:
        """Writes a file in any quantisation but `selective_int8`; arguments as for `write`."""

    def write(self, task, path, quantize, examples, passes):
        """See `Format`; `selective_int8` is combined from other quantisations."""
        if quantize == "selective_int8":
            from attention_zoo.export.selective import write_selective

            return write_selective(task, path, self.convert, examples, passes)
        self.convert(task, path, quantize, examples)
        return []

    def operators(self, path):
        """See `Format`."""
        from attention_zoo.export.litert import litert_operators

        return ", ".join(litert_operators(path.read_bytes()))

    def engine(self, path):
        """See `Format`."""
        from attention_zoo.export.engines import ArtefactEngine, run_by
        from attention_zoo.export.runners.run_litert import load

        return ArtefactEngine(path, run_by(path, load), "a LiteRT file")


@register_format
class LiteRT(LiteRTFormat):
    """One file for any batch size and length."""

    name = "litert"
    file = "model.tflite"
    runner = "run_litert.py"
    template = _TEMPLATE

    def convert(self, task, path, quantize, examples):
        """See `LiteRTFormat`."""
        from attention_zoo.export.litert import write_litert

        write_litert(task, path, quantize, examples)
