"""The codes of composition and validation, with their names and pages; a rule defines its own code."""

NOT_AN_OVERRIDE = "FTC001"
UNREADABLE = "FTC002"
CHOICE = "FTC003"
UNRESOLVED = "FTC004"
NO_VALUE = "FTC005"
RESOLVER = "FTC006"
UNKNOWN_KEY = "FTC010"
REQUIRED = "FTC011"
VALUE = "FTC012"
NO_OPTIONS = "FTC013"
NO_RULE = "FTC014"
SILENCES_NOTHING = "FTC015"
TOO_LARGE = "FTC016"

NAMES = {
    NOT_AN_OVERRIDE: "invalid-override",
    UNREADABLE: "unreadable-file",
    CHOICE: "unknown-option",
    UNRESOLVED: "unresolved-reference",
    NO_VALUE: "missing-value",
    RESOLVER: "no-resolvers",
    UNKNOWN_KEY: "unknown-key",
    REQUIRED: "missing-key",
    VALUE: "invalid-value",
    NO_OPTIONS: "missing-defaults",
    NO_RULE: "unknown-suppression",
    SILENCES_NOTHING: "unused-suppression",
    TOO_LARGE: "expansion-too-large",
}

TEXTS = {
    NOT_AN_OVERRIDE: """An override is group=option or key.path=value.

    Hydra's grammar parses it: a value that contains `=`, a quote or a comma, or that begins or ends with a blank, needs
    its own quotes inside those of the shell.

    Wrong: env.URL=https://a.example/?b=c
    Right: "env.URL='https://a.example/?b=c'"
    """,
    UNREADABLE: """A file of a conf tree is a YAML mapping.

    It must be UTF-8, without duplicate keys, indented with spaces, and of a size and depth that a configuration can
    have. YAML itself would silently keep the last of two duplicate keys.
    """,
    CHOICE: """An override or a defaults list chooses an existing option of an existing group.

    `ftc list` prints the groups, `ftc list GROUP` the options of one. A group that is used in several places is chosen
    for each of them: source@model.source=git. A job has one configuration, so an override gives one value.

    Wrong: launcher=torchrum
    Right: launcher=torchrun
    """,
    UNRESOLVED: """A reference, `${key.path}`, names a key that has a value.

    References are resolved from the top of the composed spec, which `ftc show` prints.

    Wrong: 'env.QUEUE=${cluster.quue}'
    Right: 'env.QUEUE=${cluster.queue}'
    """,
    NO_VALUE: """Every `???` of the chosen options gets a value.

    An option leaves a value to each run if no default would be right.

    Wrong: launcher=command
    Right: launcher=command 'launcher.command=[python,train.py]'
    """,
    RESOLVER: """No value calls a resolver, `${name:…}`.

    A resolver could read the environment or the clock, but the same input must give the same bytes on every machine.

    Wrong: 'name=${oc.env:USER}'
    Right: name=mine
    """,
    UNKNOWN_KEY: """Every key exists in the spec.

    `ftc show` prints all keys. Some exist only in one kind of source, volume or engine. An unknown key would be a
    setting without any effect.

    Wrong: nodez=2
    Right: nodes=2
    """,
    REQUIRED: """Every key without a default gets a value.

    A kind of source, volume or engine has its own keys; an option of the group sets them.

    Wrong: engine.kind=deepspeed
    Right: engine=deepspeed-z3
    """,
    VALUE: """Every value has the type and the format that its key requires.

    ftc rejects what Kubernetes or the trainer would reject later: a name with capital letters, a number out of range,
    a number instead of a string (1.10 is 1.1).

    Wrong: nodes=two
    Right: nodes=2
    """,
    NO_OPTIONS: """Your own primary config extends the shipped one.

    Without `defaults: [config, _self_]` no option of any group is chosen, and you would have to set every key.
    """,
    NO_RULE: """Every ignored code belongs to a rule that can be suppressed.

    `ftc rule` lists the codes. The codes of composition and of the schema, and the rules without which the manifest
    would be wrong on any cluster, cannot be suppressed; their pages say so.

    Wrong: 'ignore=[FTC010]'
    Right: 'ignore=[FTC209]' storage=per-pod
    """,
    SILENCES_NOTHING: """Every ignored code matches a finding.

    An `ignore` that matches nothing is obsolete, and would hide the next mistake of its kind.

    Wrong: 'ignore=[FTC209]'
    Right: 'ignore=[FTC209]' storage=per-pod
    """,
    TOO_LARGE: """An override or a reference expands to data that fits in memory.

    Nested brackets, a range, a product of several values or a chain of references can expand a few characters to
    billions, so ftc computes the size first. A matrix has at most 10000 combinations; an override has at most 131072
    characters (outside of quotes, 2000 words and signs), 64 levels, and numbers of 100 digits; references expand to at
    most 1000000 characters, in chains of at most 16.

    Wrong: nodes=1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
    Right: nodes=1
    """,
}
"""The text that `ftc rule` prints for each code, in the form of a rule's docstring."""
