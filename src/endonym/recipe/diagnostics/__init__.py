"""Problems of a recipe: the line in its file, what is wrong, and what to do."""
