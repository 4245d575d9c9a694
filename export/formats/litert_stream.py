"""LiteRT, one token at a time, for clients that decode themselves."""

from attention_zoo.export.formats.base import register_format
from attention_zoo.export.formats.litert import LiteRTFormat


@register_format
class LiteRTStream(LiteRTFormat):
    """A signature that reads a source, and one from a token to the next logits."""

    name = "litert_stream"
    file = "stream.tflite"
    runner = "run_litert_stream.py"
    quantizations = ("none", "float16", "dynamic_int8")
    conditions = ("threads", "one", "long")

    def why_not(self, task):
        """See `Format`."""
        return "" if task.decodes else f"is for decoding, the task is {task.kind}"

    def answers(self, task):
        """See `Format`; the driver of the runner searches greedily."""
        return task.beam_size == 1

    def convert(self, task, path, quantize, examples):
        """See `LiteRTFormat`."""
        from attention_zoo.export.litert_stream import write_litert_stream

        write_litert_stream(task, path, quantize)

    def engine(self, path):
        """See `Format`; always searches greedily."""
        from attention_zoo.export.engines import ArtefactEngine, run_by
        from attention_zoo.export.runners.run_litert_stream import load

        return ArtefactEngine(path, run_by(path, load), "a LiteRT file for single steps")
