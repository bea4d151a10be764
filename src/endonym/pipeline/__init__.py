"""From a recipe to artefacts: plans the stages and makes those that are missing."""
