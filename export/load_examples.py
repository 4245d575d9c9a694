"""How to load what was exported, in a few lines of the language that people load it in."""

from attention_zoo.export.serving import MODEL_NAME

_SAVED_MODEL = """### SavedModel, Python

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

_LITERT = """### LiteRT, Python

The tokenizers lie beside the file; `attention_zoo.load("{file}")` uses them.

```python
import numpy as np
from ai_edge_litert.interpreter import Interpreter

run = Interpreter("{file}", num_threads=1).get_signature_runner("serving_default")
outputs = run({arrays})
```

### LiteRT, C++

```cpp
auto model = tflite::FlatBufferModel::BuildFromFile("{file}");
tflite::ops::builtin::BuiltinOpResolver operators;
std::unique_ptr<tflite::Interpreter> interpreter;
tflite::InterpreterBuilder(*model, operators)(&interpreter);
tflite::SignatureRunner* runner = interpreter->GetSignatureRunner("serving_default");
for (const char* name : {{{quoted}}}) runner->ResizeInputTensor(name, {{1, length}});
runner->AllocateTensors();  // then fill runner->input_tensor(name)->data.i32
runner->Invoke();
const TfLiteTensor* {output} = runner->output_tensor("{output}");
```

### LiteRT, Kotlin

```kotlin
val interpreter = Interpreter(File("{file}"))
val inputs = mapOf({pairs})  // arrays of IntArray
val outputs = mutableMapOf<String, Any>("{output}" to {output})
interpreter.runSignature(inputs, outputs, "serving_default")
```"""

_LITERT_TEXT = """### LiteRT with strings, Python

```python
import numpy as np
from ai_edge_litert.interpreter import InterpreterWithCustomOps
from tensorflow_text.core.pybinds import tflite_registrar

interpreter = InterpreterWithCustomOps(
    model_path="{file}", custom_op_registerers=tflite_registrar.SELECT_TFTEXT_OPS
)
outputs = interpreter.get_signature_runner("serving_default")(text=np.array([b"..."]))
```"""

_ONNX = """### ONNX, Python

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{file}/serving_default.onnx")
outputs = session.run(None, {{{items}}})
```"""

_MEDIA_PIPE = """### MediaPipe, Python

```python
from mediapipe.tasks.python import text

task = text.{kind}.create_from_model_path("{file}")
print(task.{verb}("..."))
```

### MediaPipe, Kotlin

```kotlin
val task = {kind}.createFromFile(context, "{file}")  // among the assets
println(task.{verb}("..."))
```"""

_KERAS = """### {heading}, Python

```python
import numpy as np
import {module}

model = {module}.models.load_model("{file}", compile=False)
inputs = {{{items}}}
outputs = model({{name: np.array(ids, "int32") for name, ids in inputs.items()}})
```"""

# What goes in beside ids.
_SAID = {"mask": [[1, 1]], "segment_ids": [[0, 0]]}
_TEMPLATES = {
    "saved_model": _SAVED_MODEL,
    "litert": _LITERT,
    "litert_text": _LITERT_TEXT,
    "onnx": _ONNX,
}
_KERAS_MODULES = {"keras": ("Keras", "keras"), "h5": ("Keras 2", "tf_keras")}
_MEDIA_PIPE_TASKS = {"classify": ("TextClassifier", "classify"), "embed": ("TextEmbedder", "embed")}


def load_examples(report):
    """Paragraphs of Markdown, for each format of a report that people load by hand.

    Args:
        report: as `report.json` has it.
    """
    found = {}
    for artefact in report["artefacts"]:
        kind, signatures = artefact["format"], artefact["signatures"]
        if kind in _TEMPLATES and kind not in found and "serving_default" in signatures:
            found[kind] = _example(_TEMPLATES[kind], artefact["file"], signatures)
        if kind in _KERAS_MODULES and signatures and kind not in found:
            found[kind] = _keras_example(artefact["file"], *_KERAS_MODULES[kind], signatures)
        if kind == "mediapipe" and kind not in found:
            name, verb = _MEDIA_PIPE_TASKS[report["task"]]
            found[kind] = _MEDIA_PIPE.format(file=artefact["file"], kind=name, verb=verb)
    return list(found.values())


def _keras_example(file, heading, module, signatures):
    items = []
    for name, kind in signatures["model"]["inputs"].items():
        length = int(kind.rstrip("]").split(", ")[1])
        padding = "" if length == -1 else f" + [0] * {length - 2}"
        ids = _SAID.get(name, [[2, 3]])[0]
        items.append(f'"{name}": [{ids}{padding}]')
    return _KERAS.format(file=file, heading=heading, module=module, items=", ".join(items))


def _example(template, file, signatures):
    sides = signatures["serving_default"]
    names = list(sides["inputs"])
    arrays = {name: f"np.array({_SAID.get(name, [[2, 3]])}, np.int32)" for name in names}
    return template.format(
        file=file,
        model=MODEL_NAME,
        output=next(reversed(sides["outputs"])),
        arguments=", ".join(f'{name}=tf.constant(["..."])' for name in names),
        json="{" + ", ".join(f'"{name}": ["..."]' for name in names) + "}",
        arrays=", ".join(f"{name}={array}" for name, array in arrays.items()),
        quoted=", ".join(f'"{name}"' for name in names),
        pairs=", ".join(f'"{name}" to {name}' for name in names),
        items=", ".join(f'"{name}": {array}' for name, array in arrays.items()),
    )
