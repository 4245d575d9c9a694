"""Importers of pretrained weights; every array in a file must be used."""
