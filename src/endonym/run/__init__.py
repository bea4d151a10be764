"""From a recipe to artefacts: plan the stages, make what is missing, write the report."""
