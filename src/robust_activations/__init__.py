"""Does the activation function make a network robust? Activations, models, adversarial training, and the evidence."""

__version__ = "0.1.0"
