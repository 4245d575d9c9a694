"""LiteRT that takes strings, for interpreters with tensorflow-text's operators."""

from attention_zoo.export.formats.base import register_format
from attention_zoo.export.formats.litert import LiteRTFormat

_TEMPLATE = """### LiteRT with strings, Python

```python
import numpy as np
from ai_edge_litert.interpreter import InterpreterWithCustomOps
from tensorflow_text.core.pybinds import tflite_registrar

interpreter = InterpreterWithCustomOps(
    model_path="{file}", custom_op_registerers=tflite_registrar.SELECT_TFTEXT_OPS
)
outputs = interpreter.get_signature_runner("serving_default")(text=np.array([{text}.encode()]))
```"""


@register_format
class LiteRTText(LiteRTFormat):
    """A file whose `serving_default` has the tokenizer inside."""

    name = "litert_text"
    file = "text.tflite"
    runner = "run_litert_text.py"
    takes_strings = True
    quantizations = ("none", "float16", "dynamic_int8")
    template = _TEMPLATE

    def why_not(self, task):
        """See `Format`."""
        from attention_zoo.tasks.encoder_task import EncoderTask
        from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer

        if task.decodes:
            tokenizer = task.source_tokenizer
            if isinstance(tokenizer, SentencePieceTokenizer) and tokenizer.is_unigram:
                return ""
            return "is for source tokenizers of SentencePiece's unigram model"
        if not isinstance(task, EncoderTask) or not task.only_tokenizes:
            return f"is for tasks that only tokenize their texts, the task is {task.kind}"
        if task.tokenizer.kind != "wordpiece":
            return f"is for WordPiece, the task's tokenizer is of the kind {task.tokenizer.kind}"
        if len(task.text_inputs) > 1:
            return "is for single texts, the task takes pairs"
        if getattr(task, "problem", "one") == "several":
            return "is for one label per text or a number, the task gives several labels"
        if task.tokenizer.strip_accents not in (None, task.tokenizer.lower_case):
            return (
                "needs a tokenizer that either lowercases and strips accents or does neither; "
                "the task's does one of the two"
            )
        return ""

    def expected(self, task, expected):
        """See `Format`; only the texts that the file tokenizes as the task does."""
        from attention_zoo.export.litert_text import expected_of_litert_text

        return expected_of_litert_text(task, expected)

    def convert(self, task, path, quantize, examples):
        """See `LiteRTFormat`."""
        from attention_zoo.export.litert_text import write_litert_text

        write_litert_text(task, path, quantize)

    def engine(self, path):
        """See `Format`."""
        from attention_zoo.export.engines import StringsEngine, run_by
        from attention_zoo.export.runners.run_litert_text import load

        return StringsEngine(path, run_by(path, load), "a LiteRT file that takes strings")
