"""Read YAML once: the data as OmegaConf or Kubernetes would read it, and the position of every key."""

from ftc.source.reading import MAX_STREAM_BYTES, Document, documents, parse, read
from ftc.source.split import split_overrides

__all__ = ["MAX_STREAM_BYTES", "Document", "documents", "parse", "read", "split_overrides"]
