"""What is wrong with a recipe: where it stands in the file, and what to do."""
