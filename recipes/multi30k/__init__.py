"""The recipe multi30k: captions of photographs, English to German."""
