"""Runs a bundle in a process of its own, where `attention_zoo` is not to be imported."""

import os
import sys
import tempfile
import zipfile

if "ATTENTION_ZOO_RUNNERS" in os.environ:  # set where it is verified: the package's runners
    sys.path.append(os.environ["ATTENTION_ZOO_RUNNERS"])
    from run_litert import load as load_litert
else:
    from attention_zoo.export.runners.run_litert import load as load_litert


def load(path, threads):
    """A function over the signatures of the file in a bundle, and what they take and give."""
    with zipfile.ZipFile(path) as bundle:
        return load_litert(bundle.extract("model.tflite", tempfile.mkdtemp()), threads)


if __name__ == "__main__":
    import protocol

    protocol.answer(load)
