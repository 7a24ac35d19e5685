"""Composition; the only package that knows Hydra and OmegaConf."""

from ftc.compose.loader import compose, groups
from ftc.compose.references import REFERENCE_CODES, RESOLVER
from ftc.compose.types import Composed

__all__ = ["REFERENCE_CODES", "RESOLVER", "Composed", "compose", "groups"]
