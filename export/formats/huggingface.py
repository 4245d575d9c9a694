"""A folder for Hugging Face's libraries: config, weights, tokenizer."""

from attention_zoo.export.formats.base import Format, register_format


@register_format
class HuggingFace(Format):
    """A folder that transformers and sentence-transformers load; data only."""

    name = "huggingface"
    file = "huggingface"
    runner = "run_hugging_face.py"
    conditions = ("threads", "one")
    timed = False
    packages = ("tokenizers",)
    extra = "huggingface"

    def why_not(self, task):
        """See `Format`."""
        from attention_zoo.export.hugging_face import why_not_hugging_face

        return why_not_hugging_face(task)

    def write(self, task, path, quantize, examples, passes):
        """See `Format`."""
        from attention_zoo.export.hugging_face import write_hugging_face
        from attention_zoo.export.hugging_face_tokenizers import compare_ids

        write_hugging_face(task, path)
        compare_ids(task, path, examples)
        return []

    def engine(self, path):
        """See `Format`: the BERT in NumPy that also verifies the folder."""
        from attention_zoo.export.engines import ArtefactEngine, run_by
        from attention_zoo.export.runners.run_hugging_face import load

        return ArtefactEngine(path, run_by(path, load), "a Hugging Face folder")
