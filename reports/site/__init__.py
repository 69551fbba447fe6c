"""A small static site over all runs of a home."""

from reports.site.index import write_index

__all__ = ["write_index"]
