"""The SavedModel through TensorFlow's C API: no Python in the process at all."""

import os
import shutil
import subprocess
from importlib import util
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

PROGRAM = Path(__file__).parent / "answer.c"


def compile_program(path):
    """The program, against the library in TensorFlow's wheel."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "a C compiler is needed: apt install gcc"
    library = Path(tf.sysconfig.get_lib())
    command = [compiler, "-Wall", "-Werror", "-O1", str(PROGRAM), "-o", str(path)]
    command += ["-isystem", tf.sysconfig.get_include(), f"-Wl,-rpath,{library}"]
    command += [str(library / name) for name in ("libtensorflow_cc.so.2",)]
    command += [str(library / "libtensorflow_framework.so.2")]
    subprocess.run(command, check=True, timeout=300)


def operator_libraries():
    """What of tensorflow-text a SavedModel needs, found without importing it."""
    folder = Path(util.find_spec("tensorflow_text").origin).parent / "python" / "ops"
    return sorted(str(path) for path in folder.glob("*.so"))


def test_answers_are_those_of_the_model(task, exported, tmp_path):
    directory = exported[0] / "saved_model" / "1"
    content = SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    signature = content.meta_graphs[0].signature_def["serving_default"]
    tensors = signature.inputs["text"].name, signature.outputs["text"].name
    program = tmp_path / "answer"
    compile_program(program)
    for text in ("alpha beta", "四 gamma 五 delta", ""):
        process = subprocess.run(
            [str(program), str(directory), *tensors, text, *operator_libraries()],
            capture_output=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
            timeout=300,
        )
        assert process.returncode == 0, process.stderr.decode()[-3000:]
        assert process.stdout.decode() == task([text])[0]
