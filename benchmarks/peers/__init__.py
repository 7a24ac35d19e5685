"""Programs of others that make a manifest from a few parameters, installed by `make .cache/peers/.installed`."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent
INSTALLED = _HERE.parent.parent / ".cache" / "peers"
_JSONNET = "import _jsonnet, sys; print(_jsonnet.evaluate_file(sys.argv[1], tla_codes={'nodes': '2', 'devices': '8'}))"
_TORCHX = ("run", "--dryrun", "--workspace", "", "-s", "kubernetes", "--scheduler_args", "queue=default", "dist.ddp")
COMPILERS: dict[str, tuple[str, ...]] = {
    "TorchX": (
        *(str(INSTALLED / "bin" / "torchx"), *_TORCHX, "-j", "2x8", "--gpu", "8"),
        *("--image", "registry.example.com/trainer:1.0", "--script", "train.py"),
    ),
    "jsonnet": (str(INSTALLED / "bin" / "python"), "-c", _JSONNET, str(_HERE / "job.jsonnet")),
    "pkl": (str(INSTALLED / "node_modules" / ".bin" / "pkl"), "eval", "-f", "yaml", str(_HERE / "job.pkl")),
}
YAMLLINT = (str(INSTALLED / "bin" / "yamllint"), "-d", "relaxed")
