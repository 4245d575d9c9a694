"""Ranking: a cross-encoder scores passages for a query."""
