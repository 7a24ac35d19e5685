"""Composition; the only package that knows Hydra and OmegaConf."""

from ftc.compose.files import Conf
from ftc.compose.loader import compose
from ftc.compose.types import Composed

__all__ = ["Composed", "Conf", "compose"]
