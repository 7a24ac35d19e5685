"""libyaml with the scalars of OmegaConf, and with those of Kubernetes."""

from __future__ import annotations

import re
from typing import Any

import yaml

# No number is longer; one of base 60 (`1:1:1:…`) takes quadratic time.
MAX_NUMBER = 100


class ConfigurationLoader(yaml.CSafeLoader):
    """libyaml's parser with OmegaConf's idea of a plain scalar: `1e-4` is a float, a date is a text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way of saying it
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


ConfigurationLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(?:_[0-9]+)*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _number(loader: ConfigurationLoader, node: yaml.ScalarNode) -> int | float:
    if len(node.value) > MAX_NUMBER:
        raise ValueError(node.value)
    made: int | float = (loader.construct_yaml_int if node.tag.endswith("int") else loader.construct_yaml_float)(node)
    return made


for _tag in ("int", "float"):
    ConfigurationLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _number)


class KubernetesLoader(ConfigurationLoader):
    """The same with go-yaml's idea of a plain scalar: `y` is true, and there are no numbers of base 60."""

    bool_values = {**yaml.CSafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012 - PyYAML's own way

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: Any) -> str:
        """The tag of a node; `implicit` says whether it stands without quotes."""
        if kind is yaml.ScalarNode and value and implicit[0]:
            if value in ("y", "Y", "n", "N"):
                return "tag:yaml.org,2002:bool"
            if ":" in value or len(value) > MAX_NUMBER:
                return "tag:yaml.org,2002:str"
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call] # untyped there
        return tag
