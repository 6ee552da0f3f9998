"""Covet: sharded, replicated SQL databases on Kubernetes."""

__version__ = "0.1.0"
