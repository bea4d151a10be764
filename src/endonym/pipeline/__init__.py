"""From a recipe to artefacts: plan the stages and make what is missing."""
