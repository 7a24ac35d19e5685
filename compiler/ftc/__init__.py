"""A compiler from Hydra configurations to fine-tuning jobs on Kubernetes."""

__version__ = "0.1.0"
