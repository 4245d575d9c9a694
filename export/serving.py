"""What TF Serving needs beside a SavedModel: a configuration, batching, warm-up requests."""

import importlib.util
import json

import numpy as np
import tensorflow as tf

from attention_zoo.export.saved_model_xla import padded_lengths

MODEL_NAME = "attention_zoo"
FOLDER = "serving"
# In the SavedModel, where TF Serving looks for it.
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
# The server joins requests to batches of these sizes, and fills up what is between them.
_BATCH_SIZES = (1, 2, 4, 8, 16, 32)
# The first examples, among which are the requests.
_EXAMPLES = 1000

_MODELS = f"""model_config_list {{
  config {{
    name: "{MODEL_NAME}"
    base_path: "/models/{MODEL_NAME}"
    model_platform: "tensorflow"
  }}
}}
"""
_BATCHING = f"""max_batch_size {{ value: {_BATCH_SIZES[-1]} }}
{" ".join(f"allowed_batch_sizes: {size}" for size in _BATCH_SIZES)}
batch_timeout_micros {{ value: 2000 }}
max_enqueued_batches {{ value: 100 }}
num_batch_threads {{ value: 4 }}
"""
_README = """# Serving

TF Serving has the operators of tensorflow-text. In the folder above this one:

```sh
docker run --rm -p 8500:8500 -p 8501:8501 \\
  -v "$PWD/{folder}:/models/{name}" -v "$PWD/serving:/serving" tensorflow/serving \\
  --model_config_file=/serving/models.config \\
  --enable_batching --batching_parameters_file=/serving/batching.config
```

Then, from anywhere:

```sh
curl http://localhost:8501/v1/models/{name}
curl -d '{request}' http://localhost:8501/v1/models/{name}:predict
```

`"signature_name"` in the request asks for another signature than `serving_default`; `report.md`
lists them. {warmup}
"""
_WITH_WARMUP = (
    f"Before it takes any request, the server answers those in `{{folder}}/1/{WARMUP_FILE}`."
)
_WITHOUT_WARMUP = (
    "There are no warm-up requests: they are written where `attention-zoo[serving]` is installed."
)
_COMPILED = """

`saved_model_xla` in that command serves what XLA compiles. Its warm-up requests are of each batch
size and of each length it compiles for, as far as there were examples of it: the server takes
some seconds longer to start for each of them, and requests like them do not wait for the compiler.
"""


def write_serving(task, directory, examples, folders):
    """Writes `serving/` beside SavedModels, and warm-up requests into them.

    Args:
        task: a task.
        directory: the export directory.
        examples: tuples of strings, for the requests.
        folders: which SavedModels are there, "saved_model" first, "saved_model_xla".

    Returns:
        Whether there are warm-up requests: they need `tensorflow-serving-api`.
    """
    examples = list(examples)[:_EXAMPLES]
    inputs = task.export_inputs(examples)
    columns = {name: [text.decode() for text in inputs[name]] for name in task.text_inputs}
    has_protos = importlib.util.find_spec("tensorflow_serving") is not None
    if has_protos:
        numbers = range(len(examples))
        batches = [numbers[:size] for size in _BATCH_SIZES if size <= len(numbers)]
        for name in folders:
            if name == "saved_model_xla":
                batches = [
                    [i] * size for i in _one_of_each_length(task, inputs) for size in _BATCH_SIZES
                ]
            _write_warmup(columns, batches, directory / name / "1" / WARMUP_FILE)
    folder = directory / FOLDER
    folder.mkdir()
    (folder / "models.config").write_text(_MODELS, encoding="utf-8")
    (folder / "batching.config").write_text(_BATCHING, encoding="utf-8")
    first = {name: column[:1] for name, column in columns.items()}
    request = json.dumps({"inputs": first}, ensure_ascii=False).replace("'", "'\\''")
    warmup = _WITH_WARMUP.format(folder=folders[0]) if has_protos else _WITHOUT_WARMUP
    page = _README.format(name=MODEL_NAME, folder=folders[0], request=request, warmup=warmup)
    if has_protos and "saved_model_xla" in folders:
        page = page.rstrip() + _COMPILED
    (folder / "README.md").write_text(page, encoding="utf-8")
    return has_protos


def _one_of_each_length(task, inputs):
    """The numbers of the first examples whose ids are padded to a length as no one before."""
    name = task.id_inputs[0]
    lengths = np.count_nonzero(inputs[name], axis=1)
    compiled = np.searchsorted(padded_lengths(task.longest(name)), lengths)
    return np.unique(compiled, return_index=True)[1].tolist()


def _write_warmup(columns, batches, path):
    """Requests with the examples of these numbers, as records of `PredictionLog`."""
    from tensorflow_serving.apis import prediction_log_pb2

    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in batches:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = MODEL_NAME
            request.model_spec.signature_name = "serving_default"
            for name, texts in columns.items():
                tensor = tf.make_tensor_proto([texts[i] for i in batch])
                request.inputs[name].CopyFrom(tensor)
            writer.write(log.SerializeToString())
