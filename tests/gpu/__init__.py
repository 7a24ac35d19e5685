"""Trainings that ftc emits, run on the GPUs of a machine: their curves and their memory."""
