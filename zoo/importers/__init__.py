"""Models from weights made elsewhere, every array accounted for."""
