"""Fakes for tests of Covet and of what is built on it: they refuse what the real ones refuse."""
