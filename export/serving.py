"""What TF Serving needs beside a SavedModel: a configuration, batching, warm-up requests."""

import importlib.util
import json

import tensorflow as tf

from attention_zoo.export.saved_model_xla import padded_lengths

MODEL_NAME = "attention_zoo"
FOLDER = "serving"
# In the SavedModel, where TF Serving looks for it.
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
# The server joins requests to batches up to the largest of these.
_BATCH_SIZES = (1, 2, 4, 8, 16, 32)
# So many examples are searched for the lengths that XLA compiles for.
_SEARCHED = 200

_MODELS = f"""model_config_list {{
  config {{
    name: "{MODEL_NAME}"
    base_path: "/models/{MODEL_NAME}"
    model_platform: "tensorflow"
  }}
}}
"""
_BATCHING = f"""max_batch_size {{ value: {_BATCH_SIZES[-1]} }}
batch_timeout_micros {{ value: 2000 }}
max_enqueued_batches {{ value: 100 }}
num_batch_threads {{ value: 4 }}
"""
# What is compiled for a size had better be of that size: the server fills batches up to these.
_BATCHING_XLA = _BATCHING + "".join(f"allowed_batch_sizes: {size}\n" for size in _BATCH_SIZES)
_README = """# Serving

TF Serving has the operators of tensorflow-text. In the folder above this one:

```sh
docker run --rm -p 8500:8500 -p 8501:8501 \\
  -v "$PWD/{model}:/models/{name}" -v "$PWD/serving:/serving" tensorflow/serving \\
  --model_config_file=/serving/models.config \\
  --enable_batching --batching_parameters_file=/serving/{batching}
```

Then, from anywhere:

```sh
curl http://localhost:8501/v1/models/{name}
curl -d '{request}' http://localhost:8501/v1/models/{name}:predict
```

`"signature_name"` in the request asks for another signature than `serving_default`; `report.md`
lists them.

{warmup}
"""
_COMPILED = """
To serve what XLA compiles, write `saved_model_xla` for `saved_model` and `batching_xla.config` for
`batching.config` in that command.
"""
_WARMUP = f"""Before the server takes any request, it answers those in the SavedModel's
`{WARMUP_FILE}`.
"""
_WARMUP_XLA = """In `saved_model_xla` they are of each batch size and of each length that it is
compiled for, as far as the first examples had such lengths: the server takes some seconds longer
to start for each of these, and requests like them do not wait for the compiler.
"""
_NO_WARMUP = """There are no warm-up requests: they are written where `attention-zoo[serving]` is
installed.
"""
_BATCHING_FILES = {"saved_model": "batching.config", "saved_model_xla": "batching_xla.config"}


def write_serving(task, directory, examples, models):
    """Writes `serving/` beside SavedModels, and warm-up requests into them.

    Args:
        task: a task.
        directory: the export directory.
        examples: tuples of strings, for the requests.
        models: folders of the SavedModels that are there: "saved_model", "saved_model_xla".

    Returns:
        Whether there are warm-up requests: they need `tensorflow-serving-api`.
    """
    has_protos = importlib.util.find_spec("tensorflow_serving") is not None
    examples = list(examples)
    if has_protos:
        for model in models:
            choose = _each_shape if model == "saved_model_xla" else _each_size
            _write_warmup(task, choose(task, examples), directory / model / "1" / WARMUP_FILE)
    folder = directory / FOLDER
    folder.mkdir()
    (folder / "models.config").write_text(_MODELS, encoding="utf-8")
    for model in models:
        text = _BATCHING_XLA if model == "saved_model_xla" else _BATCHING
        (folder / _BATCHING_FILES[model]).write_text(text, encoding="utf-8")
    page = _page(_columns(task, examples[:1]), models, has_protos)
    (folder / "README.md").write_text(page, encoding="utf-8")
    return has_protos


def _page(columns, models, has_protos):
    """The page of instructions, with a request of these columns of text."""
    warmup = _WARMUP if has_protos else _NO_WARMUP
    if has_protos and "saved_model_xla" in models:
        warmup += _WARMUP_XLA
    if len(models) > 1:
        warmup += _COMPILED
    request = json.dumps({"inputs": columns}, ensure_ascii=False).replace("'", "'\\''")
    return _README.format(
        name=MODEL_NAME,
        model=models[0],
        batching=_BATCHING_FILES[models[0]],
        request=request,
        warmup=warmup.rstrip(),
    )


def _columns(task, examples):
    """The texts of examples by the name of the input."""
    texts = [task.input_of(example) for example in examples]
    columns = [texts] if len(task.text_inputs) == 1 else zip(*texts, strict=True)
    return {name: list(c) for name, c in zip(task.text_inputs, columns, strict=True)}


def _each_size(task, examples):
    """The first examples, in batches of each size."""
    return [examples[:size] for size in _BATCH_SIZES if size <= len(examples)]


def _each_shape(task, examples):
    """An example of each length that is compiled for, in batches of each size."""
    name = task.id_inputs[0]
    lengths, found = padded_lengths(task.longest(name)), {}
    for example in examples[:_SEARCHED]:
        ids = task.export_inputs([example])[name]
        if len(ids) == 1:  # a context of several windows would make a batch of them
            padded = next(length for length in lengths if length >= ids.shape[1])
            found.setdefault(padded, example)
    return [[found[length]] * size for length in sorted(found) for size in _BATCH_SIZES]


def _write_warmup(task, batches, path):
    """Requests with these batches of examples, as records of `PredictionLog`."""
    from tensorflow_serving.apis import prediction_log_pb2

    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in batches:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = MODEL_NAME
            request.model_spec.signature_name = "serving_default"
            for name, texts in _columns(task, batch).items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(texts))
            writer.write(log.SerializeToString())
