"""Loaders on libyaml with the scalar types of OmegaConf and of Kubernetes."""

from __future__ import annotations

import re
from typing import Any

import yaml

# No real number is longer; parsing base 60 (`1:1:1:…`) takes quadratic time.
MAX_NUMBER = 100


class ConfigurationLoader(yaml.CSafeLoader):
    """libyaml's parser with OmegaConf's types of plain scalars: `1e-4` is a float, a date is a string."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's class attribute
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
    """The same with go-yaml's types of plain scalars: `y` is true, and base 60 does not exist."""

    bool_values = {**yaml.CSafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012 - PyYAML's class attribute

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: Any) -> str:
        """The tag of a node; `implicit` says whether the node is unquoted."""
        if kind is yaml.ScalarNode and value and implicit[0]:
            if value in ("y", "Y", "n", "N"):
                return "tag:yaml.org,2002:bool"
            if ":" in value or len(value) > MAX_NUMBER:
                return "tag:yaml.org,2002:str"
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call] # untyped there
        return tag
