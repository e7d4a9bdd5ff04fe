"""`python -m robust_activations` is the command line."""

from robust_activations.cli import main

if __name__ == "__main__":
    main()
