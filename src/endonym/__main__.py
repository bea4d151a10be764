"""`python -m endonym`, as torchrun calls it."""

from endonym.cli.main import main

main()
