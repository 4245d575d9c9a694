"""Does what `tensorflow_model_server` does, for as much of it as our pages make use of.

The server is a binary of its own that cannot be had from PyPI. This is a stand-in, after the
server's documentation and source (tensorflow/serving: `main.cc`, `batching_session.cc`,
`json_tensor.cc`, `saved_model_warmup.cc`):

- XLA is switched off, unless `--xla_cpu_compilation_enabled` is given;
- warm-up requests in `assets.extra` are replayed, and the first that fails fails the model;
- with `--enable_batching` every signature is batched by TensorFlow's own scheduler, which is the
  server's too, under the parameters in the file;
- REST requests are JSON by row or by column, with `b64` and scalars.

It is started as `docker run ... tensorflow/serving FLAGS` would be, with those arguments.
"""

import base64
import ctypes
import json
import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (the server is built with its operators)
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"


class Refused(Exception):
    """What the server answers with status 400."""


def read_parameters(path):
    """The fields of a `BatchingParameters`, of which PyPI has no class."""
    text = Path(path).read_text(encoding="utf-8")
    wrapped = re.findall(r"^(\w+) \{ value: (\w+) \}$", text, flags=re.MULTILINE)
    sizes = re.findall(r"^allowed_batch_sizes: (\d+)$", text, flags=re.MULTILINE)
    assert len(wrapped) + len(sizes) == len(text.splitlines()), text
    found = {name: value == "true" if value.isalpha() else int(value) for name, value in wrapped}
    return {**found, "allowed_batch_sizes": [int(size) for size in sizes]}


class Model:
    """A loaded version of a model."""

    def __init__(self, folder, batching):
        self.version = max(int(path.name) for path in folder.iterdir() if path.name.isdigit())
        path = folder / str(self.version)
        self._loaded = tf.saved_model.load(str(path))
        self.specs, self._run = {}, {}
        for name, function in self._loaded.signatures.items():
            self.specs[name] = function.structured_input_signature[1]
            self._run[name] = batched(function, name, batching) if batching else unbatched(function)
        if (path / WARMUP_FILE).exists():
            for record in tf.data.TFRecordDataset(str(path / WARMUP_FILE)):
                log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
                request = log.predict_log.request
                inputs = {n: tf.constant(tf.make_ndarray(t)) for n, t in request.inputs.items()}
                self.run(request.model_spec.signature_name, inputs)

    def run(self, signature, inputs):
        """The outputs of a signature, arrays by name."""
        try:
            return {name: found.numpy() for name, found in self._run[signature](inputs).items()}
        except tf.errors.OpError as error:
            raise Refused(error.message) from error


def unbatched(function):
    return lambda inputs: function(**inputs)


def batched(function, signature, parameters):
    """A signature whose calls from several threads are joined by TensorFlow's scheduler."""
    specs = function.structured_input_signature[1]
    outputs = sorted(function.structured_outputs)
    order = sorted(specs)

    def compute(*tensors):
        found = function(**dict(zip(order, tensors, strict=True)))
        return [found[name] for name in outputs]

    # Any shape: what does not fit is for the scheduler to refuse.
    whole = [tf.TensorSpec([None] * specs[name].shape.rank, specs[name].dtype) for name in order]
    graph = tf.function(compute, input_signature=whole, autograph=False).get_concrete_function()
    largest, sizes = parameters["max_batch_size"], parameters["allowed_batch_sizes"]
    splits = parameters.get("enable_large_batch_splitting", False)
    executed = parameters.get("max_execution_batch_size", largest) if splits else largest
    if sizes and sizes[-1] != executed:
        raise SystemExit(f"the last of allowed_batch_sizes is {sizes[-1]}, expected {executed}")

    @tf.function(autograph=False)
    def call(*tensors):
        return tf.raw_ops.BatchFunction(
            in_tensors=tensors,
            captured_tensors=graph.captured_inputs,
            f=graph,
            Tout=[function.structured_outputs[name].dtype for name in outputs],
            num_batch_threads=parameters["num_batch_threads"],
            max_batch_size=largest,
            batch_timeout_micros=parameters["batch_timeout_micros"],
            max_enqueued_batches=parameters["max_enqueued_batches"],
            # The server has a size of its own to split at; here it is the last of these.
            allowed_batch_sizes=sizes or (list(range(1, executed + 1)) if splits else []),
            enable_large_batch_splitting=splits,
            shared_name=signature,
        )

    def run(inputs):
        for name, tensor in inputs.items():
            if tensor.shape.rank == 0:
                raise Refused(
                    f"Batching Run() input tensors must have at least one dimension: {name}"
                )
        return dict(zip(outputs, call(*(inputs[name] for name in order)), strict=True))

    return run


def to_tensor(value, spec):
    """JSON as a tensor of the type of an input."""

    def decode(found):
        if isinstance(found, list):
            return [decode(item) for item in found]
        is_bytes = isinstance(found, dict) and list(found) == ["b64"]
        if is_bytes or isinstance(found, str):
            if spec.dtype != tf.string:
                raise Refused(
                    f"JSON Value: {json.dumps(found)} Type: String is not of expected type"
                )
            return base64.b64decode(found["b64"]) if is_bytes else found.encode()
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        if not is_number or spec.dtype == tf.string:
            raise Refused(f"JSON Value: {json.dumps(found)} is not of expected type")
        if spec.dtype.is_integer and isinstance(found, float):
            raise Refused(f"JSON Value: {found} Type: Number is not of expected type: int32")
        return found

    try:
        return tf.constant(decode(value), spec.dtype)
    except (ValueError, TypeError) as error:
        raise Refused(f"Encountered list at unexpected size: {error}") from error


def to_inputs(body, specs):
    """The tensors in a request, and whether it is by row."""
    by_row = "instances" in body
    if by_row == ("inputs" in body):
        raise Refused("Request must have either instances or inputs")
    if not by_row:
        columns = body["inputs"]
        if not isinstance(columns, dict) or list(columns) == ["b64"]:
            columns = dict.fromkeys(specs, columns) if len(specs) == 1 else {}
    else:
        rows = body["instances"]
        is_named = isinstance(rows[0], dict) and list(rows[0]) != ["b64"]
        if not is_named and len(specs) != 1:
            raise Refused("instances is a plain list, but expecting list of objects")
        rows = rows if is_named else [dict.fromkeys(specs, row) for row in rows]
        columns = {name: [row[name] for row in rows] for name in rows[0]}
    if columns.keys() != specs.keys():
        raise Refused(f"Failed to process element: inputs needed are {sorted(specs)}")
    return {name: to_tensor(value, specs[name]) for name, value in columns.items()}, by_row


def to_json(outputs, by_row):
    """The answer, as the server writes it."""

    def encode(name, array):
        if array.dtype != object:
            return array.tolist()
        return np.vectorize(
            lambda text: (
                {"b64": base64.b64encode(text).decode()}
                if name.endswith("_bytes")
                else text.decode()
            ),
            otypes=[object],
        )(array).tolist()

    columns = {name: encode(name, array) for name, array in outputs.items()}
    if not by_row:
        return {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}
    if len({len(array) if array.ndim else -1 for array in outputs.values()}) != 1:
        raise Refused("Tensor name has inconsistent batch size")
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    rows = zip(*columns.values(), strict=True)
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}


def make_handler(models):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.removeprefix("/v1/models/")
            if name not in models:
                return self.answer(404, {"error": f"Could not find any versions of model {name}"})
            status = {"error_code": "OK", "error_message": ""}
            version = {"version": str(models[name].version), "state": "AVAILABLE", "status": status}
            return self.answer(200, {"model_version_status": [version]})

        def do_POST(self):
            name, _, verb = self.path.removeprefix("/v1/models/").partition(":")
            if verb != "predict" or name not in models:
                return self.answer(404, {"error": f"Malformed request: POST {self.path}"})
            try:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                signature = body.get("signature_name", "serving_default")
                specs = models[name].specs.get(signature)
                if specs is None:
                    raise Refused(f'Serving signature name: "{signature}" not found')
                inputs, by_row = to_inputs(body, specs)
                found = to_json(models[name].run(signature, inputs), by_row)
            except (Refused, json.JSONDecodeError) as error:
                return self.answer(400, {"error": str(error)})
            return self.answer(200, found)

        def answer(self, status, body):
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    return Handler


def main(arguments):
    """Takes what stands behind `docker`, and serves at the port in STAND_IN_PORT."""
    assert arguments[0] == "run"
    image = arguments.index("tensorflow/serving")
    mounts = dict(arguments[i + 1].split(":")[::-1] for i in range(image) if arguments[i] == "-v")
    variables = dict(arguments[i + 1].split("=") for i in range(image) if arguments[i] == "-e")
    flags = dict(
        (*flag.removeprefix("--").split("="), "true")[:2] for flag in arguments[image + 1 :]
    )

    def here(path):
        """Where a path in the container lies outside of it."""
        (inside,) = (point for point in mounts if path == point or path.startswith(f"{point}/"))
        return Path(mounts[inside] + path.removeprefix(inside))

    if flags.get("xla_cpu_compilation_enabled") != "true":
        library = Path(tf.sysconfig.get_lib()) / "libtensorflow_cc.so.2"
        ctypes.CDLL(str(library))._ZN10tensorflow21DisableXlaCompilationEv()
    if "model_config_file" in flags:
        config = model_server_config_pb2.ModelServerConfig()
        text_format.Parse(here(flags["model_config_file"]).read_text(encoding="utf-8"), config)
        folders = {model.name: here(model.base_path) for model in config.model_config_list.config}
    else:  # the image's entry point
        name = variables["MODEL_NAME"]
        folders = {name: here(f"/models/{name}")}
    batching = None
    if flags.get("enable_batching") == "true":
        batching = read_parameters(here(flags["batching_parameters_file"]))
    models = {name: Model(folder, batching) for name, folder in folders.items()}
    server = ThreadingHTTPServer(
        ("127.0.0.1", int(os.environ["STAND_IN_PORT"])), make_handler(models)
    )
    print("[evhttp_server.cc : 245] NET_LOG: Entering the event loop ...", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
