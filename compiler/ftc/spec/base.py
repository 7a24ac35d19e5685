"""The base of every spec type, and the constrained values that groups share."""

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta


def whole(pattern: str) -> str:
    """A pattern that matches the whole text; a bare `$` would allow a newline at the end."""
    return rf"^(?:{pattern})$(?!\n)"


Json: TypeAlias = dict[str, Any]
"""A map whose keys are defined elsewhere: trainer arguments, a PodTemplate fragment."""

_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
Text = Annotated[str, Meta(min_length=1)]
# Kubernetes uses int32.
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Natural = Annotated[int, Meta(ge=0, le=2**31 - 2)]
DnsLabel = Annotated[
    str,
    Meta(
        pattern=whole(r"[a-z]([-a-z0-9]*[a-z0-9])?"),
        max_length=63,
        description="Lower case letters, digits and '-', starting with a letter.",
    ),
]
ObjectName = Annotated[
    str,
    Meta(
        pattern=whole(_SUBDOMAIN),
        max_length=253,
        description="The name of a Kubernetes object.",
    ),
]
QueueLabel = Annotated[
    str,
    Meta(
        pattern=whole(_SUBDOMAIN),
        max_length=63,
        description="The name of a Kubernetes object that is also used as a label: 63 characters at most.",
    ),
]
SchedulerName = Annotated[
    str,
    Meta(
        pattern=whole(_SUBDOMAIN),
        max_length=63,
        description="The name of a scheduler: lower case letters, digits, '-' and '.'.",
    ),
]
# The name must also be valid with the prefix `requests.`; Kubernetes reserves names that contain `kubernetes.io/`
# (pkg/apis/core/v1/helper, IsExtendedResourceName).
EXTENDED_RESOURCE = rf"(?!requests\.)(?![^/]*kubernetes\.io/)(?=[^/]{{1,244}}/){_SUBDOMAIN}/{_NAME}"
ResourceName = Annotated[
    str,
    Meta(
        pattern=whole(EXTENDED_RESOURCE),
        description="The extended resource that the cluster's device plugin registers: example.com/gpu",
    ),
]
# apimachinery, pkg/util/validation, IsConfigMapKey
DATA_KEY = r"(?!\.\.)(?!\.$)[-._a-zA-Z0-9]+"
DataKey = Annotated[
    str,
    Meta(
        pattern=whole(DATA_KEY),
        max_length=253,
        description="A key of a Secret or a ConfigMap: letters, digits, '-', '_' and '.', not starting with '..'.",
    ),
]
# A user before the host would be a login; `%` and a full-width `@` could disguise one.
PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_SERVER = rf"([^\s/?#@%\uff20\ufe6b\uff05\\:\[\]]+|\[[0-9A-Fa-f:.]+\])(:{PORT})?"
# Some clients read a backslash as '/', and so see another host or path than others.
_REST = r"([/?#][^\s\\]*)?"
_SSH_USER = r"[a-z_][-a-z0-9_.]{0,31}"
Url = Annotated[
    str,
    Meta(
        pattern=whole(
            rf"(https?|git)://{_SERVER}{_REST}|ssh://({_SSH_USER}@)?{_SERVER}/[^\s\\]+"
            rf"|{_SSH_USER}@[^\s/:@%\\]+:[^\s\\]+|file:///[^\s\\]+|(?!-)[^\s:@\\]+"
        ),
        description="A URL that git accepts, https://…, without a password or a token: those come from a Secret.",
    ),
]
Endpoint = Annotated[
    str,
    Meta(
        pattern=whole(
            rf"https?://{_SERVER}{_REST}|(?!https?:)[a-z][a-z0-9+.-]*://({_SERVER})?{_REST}",
        ),
        description="With its scheme, https://…, without a user or a token: those come from a Secret.",
    ),
]
Namespace = Annotated[
    str,
    Meta(
        pattern=whole(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"),
        max_length=63,
        description="Lower case letters, digits and '-'.",
    ),
]
Quantity = Annotated[
    str,
    Meta(
        pattern=whole(r"(?=[0-9.]*[1-9])[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?"),
        description="A Kubernetes quantity greater than 0: 10Gi",
    ),
]
# Kubernetes rejects '..' in hostPath and subPath (pkg/apis/core/validation, validatePathNoBacksteps).
_PATH = r"(?!.*/\.\.(/|$))/([^/:\n\x00]+(/[^/:\n\x00]+)*)"
AbsolutePath = Annotated[
    str, Meta(pattern=whole(rf"{_PATH}?"), description="An absolute path in the pod, without '..'.")
]
MountPath = Annotated[
    str, Meta(pattern=whole(_PATH), description="An absolute path in the pod, not / itself, without '..'.")
]
VariableName = Annotated[
    str,
    Meta(pattern=whole(r"[A-Za-z_][A-Za-z0-9_]*"), description="Letters, digits and '_', not starting with a digit."),
]
Version = Annotated[
    str, Meta(pattern=whole(r"[0-9]+(\.[0-9]+)+([a-z0-9.+-]*)?"), description="A version as pip prints it: 0.9.5")
]
Environment: TypeAlias = dict[VariableName, str]


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The base of every spec type: immutable, and unknown keys are errors."""


def kind(variant: Spec) -> str:
    """The `kind` of a source, a volume, an engine and so on in the spec."""
    return str(type(variant).__struct_config__.tag)


class BasicAuth(Spec, frozen=True):
    """A user and a password (or token) in a Secret of the job's namespace."""

    secret: ObjectName
    """The name of the Secret."""
    username_key: DataKey = "username"
    """The key of the Secret with the user's name."""
    password_key: DataKey = "password"  # noqa: S105 - the name of a key, not a password
    """The key of the Secret with the password or the token."""


class TokenRef(Spec, frozen=True):
    """A token in a Secret of the job's namespace."""

    secret: ObjectName
    """The name of the Secret."""
    key: DataKey = "token"
    """The key of the Secret with the token."""


class KeyPair(Spec, frozen=True):
    """The ID and the secret of an access key in a Secret of the job's namespace."""

    secret: ObjectName
    """The name of the Secret."""
    id_key: DataKey = "AWS_ACCESS_KEY_ID"
    """The key of the Secret with the ID of the access key."""
    secret_key: DataKey = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - the name of a key, not a secret
    """The key of the Secret with the secret of the access key."""


LabelKey = Annotated[
    str,
    Meta(
        pattern=whole(rf"((?=[^/]{{1,253}}/){_SUBDOMAIN}/)?{_NAME}"),
        description="A Kubernetes label or annotation key: `team` or `example.com/team`.",
    ),
]
LabelValue = Annotated[
    str,
    Meta(
        pattern=whole(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"),
        description="At most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends.",
    ),
]
