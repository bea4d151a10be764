"""`python -m endonym`, as torchrun calls it."""

from endonym.cli.main import main

if __name__ == "__main__":
    main()
