"""What each command does, without its words on the command line; and the product from Python."""
