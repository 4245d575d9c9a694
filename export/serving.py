"""What TF Serving needs beside a SavedModel: a configuration, batching, warm-up requests."""

import importlib.util
import json

import tensorflow as tf

MODEL_NAME = "attention_zoo"
FOLDER = "serving"
# In the SavedModel, where TF Serving looks for it.
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
# The server joins requests to batches up to the largest of these.
_BATCH_SIZES = (1, 2, 4, 8, 16, 32)

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
_README = """# Serving

TF Serving has the operators of tensorflow-text. In the folder above this one:

```sh
docker run --rm -p 8500:8500 -p 8501:8501 \\
  -v "$PWD/saved_model:/models/{name}" -v "$PWD/serving:/serving" tensorflow/serving \\
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
    f"Before it takes any request, the server answers those in `saved_model/1/{WARMUP_FILE}`."
)
_WITHOUT_WARMUP = (
    "There are no warm-up requests: they are written where `attention-zoo[serving]` is installed."
)


def write_serving(task, directory, examples):
    """Writes `serving/` beside a SavedModel, and warm-up requests into it.

    Args:
        task: a task.
        directory: the export directory, with `saved_model/1`.
        examples: tuples of strings, for the requests.

    Returns:
        Whether there are warm-up requests: they need `tensorflow-serving-api`.
    """
    inputs = task.export_inputs(list(examples)[: _BATCH_SIZES[-1]])
    texts = {name: [text.decode() for text in inputs[name]] for name in task.text_inputs}
    has_protos = importlib.util.find_spec("tensorflow_serving") is not None
    if has_protos:
        _write_warmup(texts, directory / "saved_model" / "1" / WARMUP_FILE)
    folder = directory / FOLDER
    folder.mkdir()
    (folder / "models.config").write_text(_MODELS, encoding="utf-8")
    (folder / "batching.config").write_text(_BATCHING, encoding="utf-8")
    first = {name: column[:1] for name, column in texts.items()}
    request = json.dumps({"inputs": first}, ensure_ascii=False).replace("'", "'\\''")
    page = _README.format(
        name=MODEL_NAME,
        request=request,
        warmup=_WITH_WARMUP if has_protos else _WITHOUT_WARMUP,
    )
    (folder / "README.md").write_text(page, encoding="utf-8")
    return has_protos


def _write_warmup(texts, path):
    """A request of each size of batch, as records of `PredictionLog`."""
    from tensorflow_serving.apis import prediction_log_pb2

    path.parent.mkdir(exist_ok=True)
    number = len(next(iter(texts.values())))
    with tf.io.TFRecordWriter(str(path)) as writer:
        for size in (size for size in _BATCH_SIZES if size <= number):
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = MODEL_NAME
            request.model_spec.signature_name = "serving_default"
            for name, column in texts.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(column[:size]))
            writer.write(log.SerializeToString())
