"""How to load what was exported, in a few lines of the language that people load it in."""

import json

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

`attention_zoo.load("{file}")` puts the tokenizers around the file. {about}

```python
import numpy as np
from ai_edge_litert.interpreter import Interpreter

run = Interpreter("{file}", num_threads=1).get_signature_runner("serving_default")
outputs = run({arrays}){labels}
```

An interpreter is for one thread. Clients that know of no signatures (`Interpreter.invoke()`)
reach `serving_default` too: it is the file's first subgraph.

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

_LITERT_STATIC = """### LiteRT's CompiledModel, Python

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

_LITERT_TEXT = """### LiteRT with strings, Python

```python
import numpy as np
from ai_edge_litert.interpreter import InterpreterWithCustomOps
from tensorflow_text.core.pybinds import tflite_registrar

interpreter = InterpreterWithCustomOps(
    model_path="{file}", custom_op_registerers=tflite_registrar.SELECT_TFTEXT_OPS
)
outputs = interpreter.get_signature_runner("serving_default")(text=np.array([{text}.encode()]))
```"""

_ONNX = """### ONNX, Python

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{file}/serving_default.onnx")
outputs = session.run(None, {{{items}}}){labels}
```

{about}"""

_MEDIA_PIPE = """### MediaPipe, Python

```python
from mediapipe.tasks.python import text

task = text.{kind}.create_from_model_path("{file}")
print(task.{verb}({text}))
```

### MediaPipe, Kotlin

```kotlin
val task = {kind}.createFromFile(context, "{file}")  // among the assets
println(task.{verb}({text}))
```"""

_KERAS = """### {heading}, Python

```python
import numpy as np
import {module}

model = {module}.models.load_model("{file}", compile=False)
inputs = {{{items}}}
outputs = model({{name: np.array(ids, "int32") for name, ids in inputs.items()}}){labels}
```"""

_TEMPLATES = {
    "saved_model": _SAVED_MODEL,
    "litert": _LITERT,
    "litert_static": _LITERT_STATIC,
    "litert_text": _LITERT_TEXT,
    "onnx": _ONNX,
}
_KERAS_MODULES = {"keras": ("Keras", "keras"), "h5": ("Keras 2", "tf_keras")}
_MEDIA_PIPE_TASKS = {"classify": ("TextClassifier", "classify"), "embed": ("TextEmbedder", "embed")}
# What the decoder sees under teacher forcing, where a format has nothing else to give.
_TARGET_IDS = [2, 4]


def load_examples(report):
    """Paragraphs of Markdown, for each format of a report that people load by hand.

    Args:
        report: as `report.json` has it.
    """
    found = {}
    for artefact in report["artefacts"]:
        kind, signatures = artefact["format"], artefact["signatures"]
        if kind in _TEMPLATES and kind not in found and "serving_default" in signatures:
            found[kind] = _example(_TEMPLATES[kind], artefact["file"], signatures, report)
        if kind in _KERAS_MODULES and signatures and kind not in found:
            found[kind] = _keras_example(
                artefact["file"], *_KERAS_MODULES[kind], report, signatures
            )
        if kind == "mediapipe" and kind not in found:
            name, verb = _MEDIA_PIPE_TASKS[report["task"]]
            text = _quoted(report["example"]["text"])
            found[kind] = _MEDIA_PIPE.format(file=artefact["file"], kind=name, verb=verb, text=text)
    return list(found.values())


def _keras_example(file, heading, module, report, signatures):
    items = []
    for name, kind in signatures["model"]["inputs"].items():
        length = int(kind.rstrip("]").split(", ")[1])
        ids = report["example"].get(name, _TARGET_IDS)
        padding = "" if length == -1 else f" + [0] * {length - len(ids)}"
        items.append(f'"{name}": [{ids}{padding}]')
    return _KERAS.format(
        file=file,
        heading=heading,
        module=module,
        items=", ".join(items),
        labels=_labels(report),
    )


def _example(template, file, signatures, report):
    sides = signatures["serving_default"]
    names, example = list(sides["inputs"]), report["example"]
    ids = {name: example[name] for name in names if not isinstance(example[name], str)}
    texts = {name: _quoted(example[name]) for name in names if name not in ids}
    arrays = {name: f"np.array([{row}], np.int32)" for name, row in ids.items()}
    output = next(reversed(sides["outputs"]))
    return template.format(
        file=file,
        model=MODEL_NAME,
        output=output,
        about=_about(ids, example),
        labels=_labels(report),
        text=texts.get("text"),
        arguments=", ".join(f"{name}=tf.constant([{text}])" for name, text in texts.items()),
        json="{" + ", ".join(f'"{name}": [{text}]' for name, text in texts.items()) + "}",
        arrays=", ".join(f"{name}={array}" for name, array in arrays.items()),
        cpp=_cpp(ids),
        pairs=", ".join(f'"{n}" to arrayOf(intArrayOf({_row(r)}))' for n, r in ids.items()),
        items=", ".join(f'"{name}": {array}' for name, array in arrays.items()),
        order=", ".join(names),
    )


def _about(ids, example):
    """What ids must be like, said of those of the example."""
    if not ids:
        return ""
    name = next(iter(sorted(ids, reverse=True)))  # token_ids, or source_ids
    asked = " and ".join(_quoted(text) for text in example.values() if isinstance(text, str))
    row = ids[name]
    begins = "" if name == "source_ids" else f"begin with {row[0]} ([CLS]) and "
    end = "" if name == "source_ids" else " ([SEP])"
    return (
        f"The ids below are those of {asked}, made by `tokenizer/`; whatever makes them, `{name}` "
        f"must {begins}end in {row[-1]}{end}, and shorter rows are filled up with 0."
    )


def _labels(report):
    """A line of Python that says which label a logit is of."""
    if not report["labels"]:
        return ""
    return f"\nlabels = {report['labels']}  # of the logits, in their order"


def _cpp(ids):
    rows = ", ".join(f'{{"{name}", {{{_row(row)}}}}}' for name, row in ids.items())
    return f"std::map<const char*, std::vector<int>> ids = {{{rows}}};"


def _row(ids):
    return ", ".join(map(str, ids))


def _quoted(text):
    """A string as Python, JSON and Kotlin write it, and bash between single quotes."""
    return json.dumps(text, ensure_ascii=False).replace("'", "\\u0027").replace("$", "\\u0024")
