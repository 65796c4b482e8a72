"""The steps from a parameter file, or from `azd up`, to functions that have swept once."""
