"""Robust Activations."""
