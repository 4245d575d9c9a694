"""Files for TF Serving: a configuration, batching parameters, warm-up requests."""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from attention_zoo.export.formats.snippets import MODEL_NAME
from attention_zoo.export.saved_model_xla import padded_lengths

FOLDER = "serving"
# TF Serving expects this path in the SavedModel.
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
# The server joins requests into batches up to the largest of these sizes.
_BATCH_SIZES = (1, 2, 4, 8, 16, 32)
# A request may have more texts; the server splits it into batches. If the answers of two batches
# cannot be joined, since some are longer than others, it must stay one batch.
_LARGEST_REQUEST, _LARGEST_WHOLE = 1024, 256
# How many examples are searched for ones of each length that XLA compiles for.
_SEARCHED = 200
# The options in a request for a sample.
_SAMPLING = {"seed": 1, "temperature": 0.8, "top_k": 10, "top_p": 0.95}

_MODELS = f"""model_config_list {{
  config {{
    name: "{MODEL_NAME}"
    base_path: "/models/{MODEL_NAME}"
    model_platform: "tensorflow"
  }}
}}
"""
_QUEUES = """batch_timeout_micros { value: 2000 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 4 }
"""
_README = """# Serving

Commands for [TF Serving](https://github.com/tensorflow/serving), which has the operators of
tensorflow-text. They were tested with a stand-in that follows the server's source code, not with
the server itself. Run them in the parent folder of this one.

## Strings in, answers out, for many clients

The server batches concurrent requests for `serving_default`:

```sh
docker run --rm -p 8500:8500 -p 8501:8501 \\
  -v "$PWD/{model}:/models/{name}" -v "$PWD/serving:/serving" tensorflow/serving \\
  --model_config_file=/serving/models.config \\
  --enable_batching --batching_parameters_file=/serving/{batching}{flags}
```

```sh
curl http://localhost:8501/v1/models/{name}
curl -d '{request}' http://localhost:8501/v1/models/{name}:predict
```

A request may have up to {largest:,} texts. `{{"instances": [...]}}` with an element for each text
works too. Other signatures are not available with batching: the server cannot join requests with
scalars (`beam_size`) or with ids of different lengths, and its `pad_variable_length_inputs`
would pad rows with their first id, which changes answers.

## Every signature, without batching

```sh
docker run --rm -p 8500:8500 -p 8501:8501 \\
  -v "$PWD/{model}:/models/{name}" -v "$PWD/serving:/serving" tensorflow/serving \\
  --model_config_file=/serving/models.config{flags}
```

```sh
for request in \\
{others}
do curl -d "$request" http://localhost:8501/v1/models/{name}:predict; done
```

`report.md` has the types and limits of inputs and outputs.

{warmup}
"""
# By default the server switches XLA for CPUs off.
_XLA_FLAG = "--xla_cpu_compilation_enabled=true"
_ABOUT_XLA = f"""
`saved_model_xla` needs `{_XLA_FLAG}`: without it the server rejects requests that
need XLA, and does not even load a model whose warm-up requests fail. The server's GPU
images do not include XLA's compiler for GPUs (tensorflow/serving, issues 2214 and 2217): use
`saved_model` there.
"""
_COMPILED = f"""
To serve the model that XLA compiles, replace `saved_model` with `saved_model_xla` and
`batching.config` with `batching_xla.config` in the first command, and add
`{_XLA_FLAG}`.
"""
_WARMUP = f"""Before the server accepts requests, it answers those in the SavedModel's
`{WARMUP_FILE}`.
"""
_WARMUP_XLA = """In `saved_model_xla` they cover each batch size and each length that it is
compiled for and that occurs in the first examples: each of them makes the server start some seconds
later, and requests of the same size do not wait for the compiler.
"""
_NO_WARMUP = """There are no warm-up requests: they are written if `attention-zoo[serving]` is
installed.
"""
_BATCHING_FILES = {"saved_model": "batching.config", "saved_model_xla": "batching_xla.config"}


def write_serving(
    task: Any, directory: Path, examples: Sequence[tuple[str, ...]], models: Sequence[str]
) -> bool:
    """Writes `serving/` beside SavedModels, and warm-up requests into them.

    Args:
        task: a task.
        directory: the export directory.
        examples: tuples of strings, for the requests.
        models: the folders of the SavedModels: "saved_model", "saved_model_xla".

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
        text = _batching(task, model == "saved_model_xla")
        (folder / _BATCHING_FILES[model]).write_text(text, encoding="utf-8")
    page = _page(task, examples, models, has_protos)
    (folder / "README.md").write_text(page, encoding="utf-8")
    return has_protos


def _largest_request(task: Any, is_compiled: bool) -> int:
    """How many texts a request may have if the server batches."""
    if task.answers_are_even:
        return _LARGEST_REQUEST
    return _BATCH_SIZES[-1] if is_compiled else _LARGEST_WHOLE


def _batching(task: Any, is_compiled: bool) -> str:
    """The text of the server's `BatchingParameters`."""
    text = f"max_batch_size {{ value: {_largest_request(task, is_compiled)} }}\n" + _QUEUES
    if task.answers_are_even:
        text += "enable_large_batch_splitting { value: true }\n"
        text += f"max_execution_batch_size {{ value: {_BATCH_SIZES[-1]} }}\n"
    if is_compiled:
        # XLA compiles for each batch size, so batches are padded to one of these sizes.
        text += "".join(f"allowed_batch_sizes: {size}\n" for size in _BATCH_SIZES)
    return text


def _page(task: Any, examples: list[Any], models: Sequence[str], has_protos: bool) -> str:
    """The page of instructions, with a request for each signature."""
    first = models[0]
    is_compiled = first == "saved_model_xla"
    about = _WARMUP if has_protos else _NO_WARMUP
    if has_protos and "saved_model_xla" in models:
        about += _WARMUP_XLA
    if len(models) > 1:
        about += _COMPILED
    if "saved_model_xla" in models:
        about += _ABOUT_XLA
    signatures = task.signatures()
    if is_compiled:
        signatures = {
            name: signatures[name] for name in ("serving_default", task.compared.signature)
        }
    shortest = min(examples, key=lambda example: sum(map(len, example)))
    others = [
        {"signature_name": name, "inputs": _inputs(task, name, specs, shortest)}
        for name, (_, specs) in signatures.items()
    ]
    return _README.format(
        name=MODEL_NAME,
        model=first,
        batching=_BATCHING_FILES[first],
        flags=f" \\\n  {_XLA_FLAG}" if is_compiled else "",
        largest=_largest_request(task, is_compiled),
        request=_quoted({"inputs": _columns(task, examples[:1])}),
        others=" \\\n".join(f"  '{_quoted(other)}'" for other in others) + " ;",
        warmup=about.rstrip(),
    )


def _inputs(task: Any, signature: str, specs: Sequence[Any], example: Any) -> dict[str, Any]:
    """The inputs of a request for a signature: an example and the default options."""
    options = {name: value for name, (_, value) in task.searches.get(signature, {}).items()}
    known = {**_SAMPLING, **options, **_columns(task, [example])}
    ids = task.export_inputs([example])
    return {
        spec.name: known[spec.name] if spec.name in known else ids[spec.name].tolist()
        for spec in specs
    }


def _quoted(request: Any) -> str:
    """JSON, escaped for single quotes in a shell."""
    return json.dumps(request, ensure_ascii=False).replace("'", "'\\''")


def _columns(task: Any, examples: Sequence[Any]) -> dict[str, list[str]]:
    """The texts of examples, by the name of the input."""
    texts = [task.input_of(example) for example in examples]
    columns = [texts] if len(task.text_inputs) == 1 else zip(*texts, strict=True)
    return {name: list(c) for name, c in zip(task.text_inputs, columns, strict=True)}


def _each_size(task: Any, examples: list[Any]) -> list[list[Any]]:
    """The first examples, in batches of each size."""
    return [examples[:size] for size in _BATCH_SIZES if size <= len(examples)]


def _each_shape(task: Any, examples: list[Any]) -> list[list[Any]]:
    """An example of each length that XLA compiles for, in batches of each size."""
    name = task.id_inputs[0]
    lengths, of_length = padded_lengths(task.longest(name)), {}
    for example in examples[:_SEARCHED]:
        ids = task.export_inputs([example])[name]
        if len(ids) == 1:  # a context with several windows would become several rows
            padded = next(length for length in lengths if length >= ids.shape[1])
            of_length.setdefault(padded, example)
    return [[of_length[n]] * size for n in sorted(of_length) for size in _BATCH_SIZES]


def _write_warmup(task: Any, batches: list[list[Any]], path: Path) -> None:
    """Writes requests with these batches of examples, as `PredictionLog` records."""
    from tensorflow_serving.apis import prediction_log_pb2

    protos: Any = prediction_log_pb2  # its classes are generated on import
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in batches:
            log: Any = protos.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = MODEL_NAME
            request.model_spec.signature_name = "serving_default"
            for name, texts in _columns(task, batch).items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(texts))
            writer.write(log.SerializeToString())
