"""Sequence to sequence: translation, summarisation, spelling to sound."""
