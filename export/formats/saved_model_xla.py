"""SavedModel compiled by XLA."""

from attention_zoo.export.formats.base import Format, register_format


@register_format
class SavedModelXLA(Format):
    """Slower in the first call for each shape, then faster than a plain SavedModel."""

    name = "saved_model_xla"
    file = "saved_model_xla/1"
    runner = "run_saved_model_xla.py"
    takes_strings = True
    compiles = True

    def write(self, task, path, quantize, examples, passes):
        """See `Format`."""
        from attention_zoo.export.saved_model_xla import write_saved_model_xla

        write_saved_model_xla(task, path)
        return []

    def engine(self, path):
        """See `Format`."""
        from attention_zoo.export.engines import SavedModelEngine

        return SavedModelEngine(path)
