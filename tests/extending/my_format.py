"""A format: a LiteRT file, its vocabulary and its labels in one zip, as an app downloads it."""

import json
import pathlib
import zipfile

import attention_zoo as az
from attention_zoo.export.engines import ArtefactEngine, run_by


@az.register_format
class Bundle(az.Format):
    """What `zipfile` writes, uncompressed; `my_runner.py` runs it without this package."""

    name = "bundle"
    file = "bundle.zip"
    runner = str(pathlib.Path(__file__).with_name("my_runner.py"))

    def why_not(self, task):
        """See `Format`."""
        return "is for a task with one WordPiece vocabulary" if task.decodes else ""

    def write(self, task, path, quantize, examples, passes):
        """See `Format`."""
        from attention_zoo.export.litert import write_litert

        write_litert(task, path, quantize, examples)
        model = path.read_bytes()
        with zipfile.ZipFile(path, "w") as bundle:
            bundle.writestr("model.tflite", model)
            bundle.writestr("vocabulary.json", json.dumps(task.tokenizer.vocabulary))
        return []

    def engine(self, path):
        """See `Format`: what `predict` and `evaluate` ask."""
        import my_runner

        return ArtefactEngine(path, run_by(path, my_runner.load), "a bundle")
