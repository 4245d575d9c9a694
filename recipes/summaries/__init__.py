"""Summaries: the first paragraph of a description from those after it."""
