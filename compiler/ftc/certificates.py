"""The ways to turn off the verification of certificates: by which variables, and by which switches of which tools."""

from __future__ import annotations

import re

from ftc.patterns import lazily

_OFF = lazily(r"0|false|no|off", re.IGNORECASE)
_ON = lazily(r"(?!(?:0|false|no|off)$).+", re.IGNORECASE)
_NOWHERE = lazily(r"(?:/dev/null)?")
# The value of a variable that turns it off, in git, Python, curl, requests, pip, ….
UNVERIFIED = {
    "GIT_SSL_NO_VERIFY": _ON,
    "PYTHONHTTPSVERIFY": _OFF,
    "CURL_CA_BUNDLE": _NOWHERE,
    "REQUESTS_CA_BUNDLE": _NOWHERE,
    "SSL_CERT_FILE": _NOWHERE,
    "GIT_SSL_CAINFO": _NOWHERE,
    "HF_HUB_DISABLE_SSL_VERIFY": _ON,
    "HF_HUB_DISABLE_SSL_VERIFICATION": _ON,
    "MLFLOW_TRACKING_INSECURE_TLS": _ON,
    "WANDB_INSECURE_DISABLE_SSL": _ON,
    "NODE_TLS_REJECT_UNAUTHORIZED": _OFF,
    "CONDA_SSL_VERIFY": _OFF,
    "PIP_TRUSTED_HOST": _ON,
    "UV_INSECURE_HOST": _ON,
}
SWITCHES = {
    "curl": lazily(r"-[a-zA-Z]*k[a-zA-Z]*|--insecure"),
    "wget": lazily(r"--no-check-certificate"),
    "git": lazily(r"http\.(?:.*\.)?sslverify=(?:false|0)", re.IGNORECASE),
    "pip": lazily(r"--trusted-host(?:=.*)?"),
    "uv": lazily(r"--(?:allow-insecure|trusted)-host(?:=.*)?"),
}
