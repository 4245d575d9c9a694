"""The formats: each is a class that says how it is written, run and compared."""

from attention_zoo.export.formats.base import FORMATS, QUANTIZATIONS, Format, register_format

__all__ = ["FORMATS", "QUANTIZATIONS", "Format", "register_format"]
