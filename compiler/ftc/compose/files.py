"""Conf directories as Hydra's loader wants to see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hydra._internal.config_repository import ConfigRepository
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ftc import source
from ftc.compose.references import resolver_problems, without_resolvers
from ftc.diagnostics.codes import UNREADABLE
from ftc.diagnostics.model import Diagnostic

if TYPE_CHECKING:
    from pathlib import Path


class Files(ConfigSource):
    """One conf directory; each file is read and parsed once."""

    def __init__(self, directory: Path, shown: str, problems: list[Diagnostic]) -> None:
        self.provider, self.path = "ftc", str(directory)
        self.directory, self.shown, self.problems = directory, shown, problems
        self.documents: dict[str, source.Document] = {}

    @staticmethod
    def scheme() -> str:
        return "file"

    def available(self) -> bool:
        return self.directory.is_dir()

    def is_group(self, config_path: str) -> bool:
        return ".." not in config_path.split("/") and (self.directory / config_path).is_dir()

    def is_config(self, config_path: str) -> bool:
        return ".." not in config_path.split("/") and (self.directory / f"{config_path}.yaml").is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        entries = sorted(e for e in (self.directory / config_path).iterdir() if e.name[0] not in "._")
        groups = [e.name for e in entries if any(e.glob("*.yaml")) and results_filter is not ObjectType.CONFIG]
        return groups + [
            e.stem for e in entries if e.suffix == ".yaml" and e.is_file() and results_filter != ObjectType.GROUP
        ]

    def load_config(self, config_path: str) -> ConfigResult:
        file = self.directory / f"{config_path}.yaml"
        document, problems = source.read(file, f"{self.shown}/{config_path}.yaml")
        self.problems.extend(problems)
        document = document or source.Document(str(file), "", {}, None)
        called = list(resolver_problems(document.data, (), document.position))
        self.problems.extend(called)
        data = without_resolvers(document.data) if called else document.data
        self.documents[config_path] = document
        try:
            header = ConfigSource._get_header_dict(document.text[:512])  # noqa: SLF001 - Hydra has no public name for it
            config = OmegaConf.create(data)
        except (OmegaConfBaseException, ValueError) as error:
            message = f"is no configuration: {str(error).splitlines()[0]}"
            self.problems.append(Diagnostic(code=UNREADABLE, message=message, position=document.position(())))
            header, config = {"package": None}, OmegaConf.create()
        return ConfigResult(provider="ftc", path=str(file), config=config, header=header)


class Repository(ConfigRepository):
    """Hydra's repository over our directories; the first directory that has a file wins."""

    def __init__(self, sources: list[Files]) -> None:
        self.sources: list[Any] = list(sources)  # Hydra types them as its own
        self.loaded: dict[str, ConfigResult | None] = {}

    def load_config(self, config_path: str) -> ConfigResult | None:
        if config_path not in self.loaded:
            self.loaded[config_path] = result = super().load_config(config_path)
            if result is not None:
                result.is_schema_source = True  # there are no structured configs to look it up in
        return self.loaded[config_path]

    def documents(self) -> dict[str, source.Document]:
        """Every file that was read, by config path."""
        return {path: document for files in reversed(self.sources) for path, document in files.documents.items()}
