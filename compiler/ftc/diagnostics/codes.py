"""The codes of composition and of validation, with their names and pages; those of a rule are with the rule."""

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

    It is read by Hydra's grammar: a value with `=`, a quote, a comma or blanks at its ends stands in quotes of its own,
    inside those of the shell.

    Wrong: env.URL=https://a.example/?b=c
    Right: "env.URL='https://a.example/?b=c'"
    """,
    UNREADABLE: """A file of a conf tree is a mapping in YAML.

    It is UTF-8, has no key twice, is indented with spaces, and is no larger or deeper than a configuration is. YAML
    itself would take the last of two equal keys without a word.
    """,
    CHOICE: """An override or a defaults list chooses one option of a group, and both exist.

    `ftc list` names the groups, `ftc list GROUP` the options of one. A group that stands in several places is chosen
    where it is used: source@model.source=git. A job has one configuration, so there are no sweeps.

    Wrong: launcher=torchrum
    Right: launcher=torchrun
    """,
    UNRESOLVED: """A reference, `${key.path}`, leads to a key that has a value.

    It is read in the composed spec, from its top; `ftc show` prints that.

    Wrong: 'env.QUEUE=${cluster.quue}'
    Right: 'env.QUEUE=${cluster.queue}'
    """,
    NO_VALUE: """Every `???` of the options that are chosen is given a value.

    The option leaves it to each run, because no default would be right.

    Wrong: launcher=command
    Right: launcher=command 'launcher.command=[python,train.py]'
    """,
    RESOLVER: """No value calls a resolver, `${name:…}`.

    It could read the environment or the clock, and the same input gives the same bytes on every machine.

    Wrong: 'name=${oc.env:USER}'
    Right: name=mine
    """,
    UNKNOWN_KEY: """Every key is one of the spec.

    `ftc show` prints all that there are. Some stand in one kind of a source, a volume or an engine only. A key that
    nobody reads would be a setting that nobody gets.

    Wrong: nodez=2
    Right: nodes=2
    """,
    REQUIRED: """Every key that has no default is given.

    Where a kind is chosen (of a source, a volume, an engine), it brings keys of its own; an option of the group sets
    them.

    Wrong: engine.kind=deepspeed
    Right: engine=deepspeed-z3
    """,
    VALUE: """Every value has the type and the form that its key wants.

    What Kubernetes or the trainer would refuse later is refused here: a name with capitals, a number out of range, a
    number where a text is meant (1.10 is 1.1).

    Wrong: nodes=two
    Right: nodes=2
    """,
    NO_OPTIONS: """A primary config of your own begins with the shipped one.

    Without `defaults: [config, _self_]` no option of any group is chosen, and every key would have to be given.
    """,
    NO_RULE: """What is ignored is a rule that can be silenced.

    `ftc rule` lists the codes. Those of composition and of the schema, and the rules without which the manifest would
    be wrong on any cluster, cannot be silenced; their pages say so.

    Wrong: 'ignore=[FTC010]'
    Right: 'ignore=[FTC209]' storage=per-pod
    """,
    SILENCES_NOTHING: """What is ignored is found.

    An ignore that silences nothing is left over, and would hide the next mistake of its kind.

    Wrong: 'ignore=[FTC209]'
    Right: 'ignore=[FTC209]' storage=per-pod
    """,
    TOO_LARGE: """An override or a reference expands to something that fits in memory.

    Nested brackets, a range, a product of several values or a reference to other references can expand a few letters to
    billions, so ftc computes the size first. A matrix has at most 10000 combinations; an
    override has at most 131072 letters (outside of quotes, 2000 words and signs), 64 levels, and numbers of 100 digits;
    references bring at most 1000000 letters, and lead over at most 16 others.

    Wrong: nodes=1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
    Right: nodes=1
    """,
}
"""What `ftc rule` says of each, in the form of a rule's docstring."""
